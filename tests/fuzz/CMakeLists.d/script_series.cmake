oxp_fuzz(fuzz_script_series SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/script_series_fuzz.c"
  DEPS oxp_promql_script oxp_promql oxp_tsdb oxp_labels oxp_regex oxp_base CORPUS tests/fuzz/corpus/script_series)
