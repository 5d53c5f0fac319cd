/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of XML 1.0 as the answers of AWS STS have: elements and text. A declaration, comments, attributes and the
 * five named and the numeric references are understood; a document type, processing instructions and CDATA are refused.
 * Bounded, nothing allocated.
 */
#ifndef BULLA_WIRE_XML_H
#define BULLA_WIRE_XML_H

#include "base/bytes.h"
#include "base/macros.h"
#include "bulla/call.h"

#define BULLA_XML_MAX_DEPTH 16u
#define BULLA_XML_MAX_PATH 256u
#define BULLA_XML_MAX_TEXT (64u << 10)

/* An element without elements inside: its path, such as "ErrorResponse/Error/Code", and its text as it stands there. */
typedef void (*bulla_xml_visit)(void *arg, const char *path, bulla_view text);

/* Walks over the whole document. Errors: EFORMAT with the offset, ELIMIT. */
BULLA_MUST_USE bulla_status bulla_xml_walk(bulla_call *call, bulla_view text, const char *what, bulla_xml_visit visit,
                                           void *arg);

/* The text with its references resolved, NUL-terminated; false when it does not fit or a reference is none. */
bool bulla_xml_text_decode(bulla_view text, char *out, size_t cap);

#endif
