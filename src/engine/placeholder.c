/* empty */ typedef int bulla_placeholder_engine;
