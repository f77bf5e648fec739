// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Everything of the core: the standard library is all it needs.

#include <llep/adaptor/counting.hpp>
#include <llep/checks/levels.hpp>
#include <llep/device/host.hpp>
#include <llep/dispatcher.hpp>
#include <llep/imbalance/tests.hpp>
#include <llep/kernel/feed_forward.hpp>
#include <llep/kernel/loops.hpp>
#include <llep/planner/fallback.hpp>
#include <llep/planner/least_loaded.hpp>
#include <llep/planner/standard_ep.hpp>
#include <llep/routing/sigmoid_top_k.hpp>
#include <llep/routing/softmax_top_k.hpp>
#include <llep/row_order/global_order.hpp>
#include <llep/row_order/local_first.hpp>
#include <llep/version.hpp>
