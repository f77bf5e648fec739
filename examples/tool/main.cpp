// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <new>
#include <string>
#include <string_view>

#include "commands.hpp"
#include "input_error.hpp"

namespace {

// 0 fine, 1 ran but a check failed, 2 bad usage or bad input.
constexpr int failed = 1;
constexpr int refused = 2;

int complain(int exit_code, std::string const& what) {
  std::cerr << "llep: " << llep::tool::shown(what, 600) << '\n';
  return exit_code;
}

// Ends the program where memory runs out. Not by the exception: where the destructor of a large JSON
// list meets it, nobody could catch it.
[[noreturn]] void out_of_memory() {
  constexpr std::string_view text = "llep: out of memory\n";
  static_cast<void>(!write(STDERR_FILENO, text.data(), text.size()));
  std::_Exit(failed);
}

int run(int argc, char** argv) {
  CLI::App program("Least-loaded expert parallelism: plan, run and show", "llep");
  program.set_version_flag("--version", "llep 0.1.0");
  program.require_subcommand(0, 1);  // none: the message below says more than CLI11's
  int exit_code = 0;
  llep::tool::add_demo_command(program, exit_code);
  llep::tool::add_layer_command(program, exit_code);
  llep::tool::add_plan_command(program);
  try {
    program.parse(argc, argv);
  } catch (CLI::ParseError const& e) {
    if (e.get_exit_code() == 0) return program.exit(e);  // --help, --version
    return complain(refused, e.what());
  } catch (llep::tool::input_error const& e) {
    return complain(refused, e.what());
  } catch (std::bad_alloc const&) {
    return complain(refused, "out of memory: the input or the option asks for too much");
  } catch (std::exception const& e) {
    return complain(failed, e.what());
  }
  if (program.get_subcommands().empty())
    return complain(refused, "needs a command: demo, layer or plan; llep --help says more");
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  std::set_new_handler(out_of_memory);
  std::ios::sync_with_stdio(false);
  int const exit_code = run(argc, argv);
  if (!std::cout.flush()) return complain(failed, "standard output can't be written");
  return exit_code;
}
