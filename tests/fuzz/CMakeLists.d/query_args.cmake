oxp_fuzz(fuzz_query_args SOURCES ${PROJECT_SOURCE_DIR}/tests/fuzz/query_args_fuzz.c
  DEPS oxp_query_args oxp_serve oxp_promql oxp_tsdb oxp_labels oxp_regex oxp_base CORPUS tests/fuzz/corpus/query_args)
