oxp_fuzz(fuzz_promql SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/promql_fuzz.c"
  DEPS oxp_promql oxp_tsdb oxp_labels oxp_regex oxp_base CORPUS tests/fuzz/corpus/promql)
