oxp_fuzz(fuzz_lines SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/lines_fuzz.c" DEPS oxp_parse oxp_base
  CORPUS tests/fuzz/corpus/lines)
