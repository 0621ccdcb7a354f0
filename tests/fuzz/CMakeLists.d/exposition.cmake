oxp_fuzz(fuzz_exposition SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/exposition_fuzz.c" DEPS oxp_exposition
  CORPUS tests/fuzz/corpus/exposition)
