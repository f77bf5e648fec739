// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace CLI {
class App;
}  // namespace CLI

namespace llep::tool {

// Each adds its command to the program. A command that is called runs when the command line has
// been parsed; it throws input_error for bad input, and has written nothing to standard output
// then. What its checks found goes into `exit_code`: 0 fine, 1 one failed.

void add_demo_command(CLI::App& program, int& exit_code);
void add_layer_command(CLI::App& program, int& exit_code);
void add_plan_command(CLI::App& program);
void add_replay_command(CLI::App& program);
void add_train_command(CLI::App& program, int& exit_code);

}  // namespace llep::tool
