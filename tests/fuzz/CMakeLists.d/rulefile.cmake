oxp_fuzz(fuzz_rulefile SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/rulefile_fuzz.c"
  DEPS oxp_rule_file oxp_template oxp_promql oxp_yaml oxp_tsdb oxp_labels oxp_regex oxp_base CORPUS tests/fuzz/corpus/rulefile)
