// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <llep/version.hpp>
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

constexpr std::string_view out_of_memory =
    "out of memory: the input or the option asks for too much";

// The destructor of a large JSON list needs memory itself. Where it gets none nobody can catch it,
// so the words are said here; without allocating, and without what standard output still holds.
[[noreturn]] void terminate() {
  try {
    if (auto const why = std::current_exception()) std::rethrow_exception(why);
  } catch (std::bad_alloc const&) {
    std::fprintf(stderr, "llep: %s\n", out_of_memory.data());
    std::_Exit(refused);
  } catch (...) {
  }
  std::abort();
}

int run(int argc, char** argv) {
  CLI::App program("Least-loaded expert parallelism: plan, run and show", "llep");
  program.set_version_flag("--version", "llep " + std::string(llep::version_string));
  program.require_subcommand(0, 1);  // none: the message below says more than CLI11's
  int exit_code = 0;
  llep::tool::add_demo_command(program, exit_code);
  llep::tool::add_layer_command(program, exit_code);
  llep::tool::add_plan_command(program);
  llep::tool::add_replay_command(program);
  llep::tool::add_train_command(program, exit_code);
  try {
    program.parse(argc, argv);
  } catch (CLI::ParseError const& e) {
    if (e.get_exit_code() == 0) return program.exit(e);  // --help, --version
    return complain(refused, e.what());
  } catch (llep::tool::input_error const& e) {
    return complain(refused, e.what());
  } catch (std::bad_alloc const&) {
    return complain(refused, std::string(out_of_memory));
  } catch (std::exception const& e) {
    return complain(failed, e.what());
  }
  if (program.get_subcommands().empty())
    return complain(refused,
                    "needs a command: demo, layer, plan, replay or train; llep --help says more");
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  std::set_terminate(terminate);
  std::ios::sync_with_stdio(false);
  int const exit_code = run(argc, argv);
  if (!std::cout.flush()) return complain(failed, "standard output can't be written");
  return exit_code;
}
