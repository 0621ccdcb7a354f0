# cmake -DOUT=FILE.c -DFROM=FOLDER -P embed.cmake: the page's files as C arrays. oxp_page_<ending> and its length.
set(text "/* Made by embed.cmake; do not edit. */\n#include \"exporter/api/page_parts.h\"\n")
foreach(ending html css js svg)
  file(READ "${FROM}/page.${ending}" bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
  string(APPEND text "\nconst char oxp_page_${ending}[] = {${bytes}};\n"
                     "const size_t oxp_page_${ending}_len = sizeof oxp_page_${ending};\n")
endforeach()
file(WRITE "${OUT}" "${text}")
