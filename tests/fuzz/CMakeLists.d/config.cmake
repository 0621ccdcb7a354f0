oxp_fuzz(fuzz_config SOURCES ${PROJECT_SOURCE_DIR}/tests/fuzz/config_fuzz.c DEPS oxp_config oxp_yaml oxp_base
  CORPUS tests/fuzz/corpus/config)
