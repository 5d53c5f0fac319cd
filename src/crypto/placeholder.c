/* empty */ typedef int bulla_placeholder_crypto;
