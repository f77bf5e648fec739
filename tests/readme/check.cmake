# SPDX-License-Identifier: Apache-2.0
# Fails unless the README shows the program SOURCE as it stands, but for the licence line.
file(READ "${README}" readme)
file(READ "${SOURCE}" program)
string(REGEX REPLACE "^// SPDX[^\n]*\n" "" program "${program}")
string(FIND "${readme}" "```cpp\n${program}```" at)
if(at EQUAL -1)
  message(FATAL_ERROR "README.md doesn't show ${SOURCE} as it is")
endif()
