// SPDX-License-Identifier: Apache-2.0
// Bulla and the AWS Encryption SDK for JavaScript, both ways over every case of cases.json.
//
// usage: node esdk.js DRIVER PACKAGES   (PACKAGES: the folder that tools/interop-setup filled)
'use strict'
const { execFileSync } = require('child_process')
const { createHash, generateKeyPairSync, randomBytes } = require('crypto')
const fs = require('fs')
const os = require('os')
const path = require('path')
const { pipeline } = require('stream/promises')
const { Writable } = require('stream')

const [, , program, packages] = process.argv
const sdkFolder = path.join(packages, 'node_modules', '@aws-crypto', 'client-node')
const sdk = require(sdkFolder)
const cases = JSON.parse(fs.readFileSync(path.join(__dirname, 'cases.json'), 'utf8'))
const client = sdk.buildClient(sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
const namespace = 'bulla-interop'
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'bulla-interop-'))
const file = (name) => path.join(work, name)

// The same keys as addresses for Bulla and as keyrings for the SDK.
function makeKeys () {
  process.umask(0o077)
  for (const name of ['aes', 'aes2']) fs.writeFileSync(file(name), randomBytes(32))
  const pair = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  })
  fs.writeFileSync(file('rsa'), pair.privateKey)
  return pair
}

function splitKey (key) {
  const [kind, digest = 'sha256'] = key.split('-')
  return { kind, digest }
}

function addressOf (key) {
  const { kind, digest } = splitKey(key)
  const scheme = kind === 'rsa' ? 'rsa' : 'file'
  const padding = kind === 'rsa' ? `&padding=oaep-${digest}` : ''
  return `${scheme}:${file(kind)}?namespace=${namespace}&name=${kind}${padding}`
}

function keyringOf (pair, key) {
  const { kind, digest } = splitKey(key)
  if (kind === 'rsa') {
    return new sdk.RawRsaKeyringNode({ keyName: kind, keyNamespace: namespace, rsaKey: pair, oaepHash: digest })
  }
  return new sdk.RawAesKeyringNode({
    keyName: kind,
    keyNamespace: namespace,
    // The SDK wants memory that is not part of a larger buffer.
    unencryptedMasterKey: Uint8Array.from(fs.readFileSync(file(kind))),
    wrappingSuite: sdk.RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING
  })
}

function keyringOfAll (pair, keys) {
  const [generator, ...children] = keys.map((key) => keyringOf(pair, key))
  return new sdk.MultiKeyringNode({ generator, children })
}

function contextOf (case_) {
  return Object.fromEntries(Array.from({ length: case_.context }, (_, i) => [`key ${i}`, `värde ${i}`]))
}

function driver (...args) {
  execFileSync(program, args.map(String), { stdio: 'inherit' })
}

const digestOf = (name) => createHash('sha256').update(fs.readFileSync(file(name))).digest('hex')

async function opensTheirs (pair, case_, key, expected) {
  const hash = createHash('sha256')
  const sink = new Writable({ write (chunk, _, done) { hash.update(chunk); done() } })
  await pipeline(fs.createReadStream(file('sealed')), client.decryptStream(keyringOf(pair, key)), sink)
  if (hash.digest('hex') !== expected) throw new Error(`${case_.name}: the SDK opens something else`)
}

async function runCase (pair, case_) {
  const context = contextOf(case_)
  const pairs = Object.entries(context).map(([key, value]) => `${key}=${value}`)
  const addresses = case_.keys.map(addressOf)
  fs.writeFileSync(file('part'), randomBytes(case_.size))
  const expected = digestOf('part')

  // Ours, opened by theirs, with each key alone.
  driver('encrypt', file('part'), file('sealed'), case_.suite, case_.frame, ...pairs, '--', ...addresses)
  for (const key of case_.keys) await opensTheirs(pair, case_, key, expected)

  // Theirs, opened by ours, with each key alone.
  const encrypting = client.encryptStream(keyringOfAll(pair, case_.keys), {
    suiteId: Number(case_.suite), encryptionContext: context, frameLength: case_.frame, plaintextLength: case_.size
  })
  await pipeline(fs.createReadStream(file('part')), encrypting, fs.createWriteStream(file('sealed')))
  for (const address of addresses) {
    driver('decrypt', file('sealed'), file('back'), ...pairs, '--', address)
    if (digestOf('back') !== expected) throw new Error(`${case_.name}: Bulla opens something else`)
  }
}

async function main () {
  const pair = makeKeys()
  for (const case_ of cases) {
    await runCase(pair, case_)
    console.log(`ok: ${case_.name}`)
  }
  const { version } = require(path.join(sdkFolder, 'package.json'))
  console.log(`${cases.length} cases both ways with @aws-crypto/client-node ${version} (JavaScript)`)
}

main()
  .catch((error) => { console.error(error); process.exitCode = 1 })
  .finally(() => fs.rmSync(work, { recursive: true }))
