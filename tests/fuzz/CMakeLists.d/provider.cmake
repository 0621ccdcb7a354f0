oxp_fuzz(fuzz_provider SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/provider_fuzz.c" DEPS oxp_provider oxp_base
  CORPUS tests/fuzz/corpus/provider)
