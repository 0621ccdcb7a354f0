oxp_fuzz(fuzz_classify SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/classify_fuzz.c" DEPS oxp_resilience oxp_base
  CORPUS tests/fuzz/corpus/classify)
