// SPDX-License-Identifier: Apache-2.0
#include <llep/llep.hpp>

#include <llep/backends/emulated/run.hpp>

int main() {}
