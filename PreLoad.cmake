# SPDX-License-Identifier: Apache-2.0
# CMake reads this file, in a top-level source folder, before it settles on a generator. Without
# it, a machine that has ninja but no make stops at CMake's default, Unix Makefiles: a preset
# can't look at what is installed. `-G Ninja` and CMAKE_GENERATOR work as ever.
if(NOT DEFINED ENV{CMAKE_GENERATOR} AND NOT CMAKE_MAKE_PROGRAM)
  find_program(make NAMES gmake make smake NO_CACHE)
  find_program(ninja NAMES ninja-build ninja samu NO_CACHE)
  if(ninja AND NOT make)
    set(CMAKE_GENERATOR Ninja CACHE INTERNAL "Name of generator.")
  endif()
endif()
