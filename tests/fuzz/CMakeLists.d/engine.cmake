oxp_fuzz(fuzz_engine SOURCES ${PROJECT_SOURCE_DIR}/tests/fuzz/engine_fuzz.c
  DEPS oxp_promql oxp_tsdb oxp_labels oxp_regex oxp_base CORPUS tests/fuzz/corpus/engine)
