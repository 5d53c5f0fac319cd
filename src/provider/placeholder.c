/* empty */ typedef int bulla_placeholder_provider;
