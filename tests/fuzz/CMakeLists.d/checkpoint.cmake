oxp_fuzz(fuzz_checkpoint SOURCES "${PROJECT_SOURCE_DIR}/tests/fuzz/checkpoint_fuzz.c" DEPS oxp_checkpoint oxp_base
  CORPUS tests/fuzz/corpus/checkpoint)
