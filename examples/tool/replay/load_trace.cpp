// SPDX-License-Identifier: Apache-2.0
#include "load_trace.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "../input_error.hpp"
#include "../read_file.hpp"
#include "csv_trace.hpp"
#include "router_trace.hpp"

namespace llep::tool {
namespace {

namespace fs = std::filesystem;

// The rank of a file router_trace_rank{rank}.jsonl; nothing for any other name.
std::optional<std::int64_t> rank_of_file(std::string const& name) {
  constexpr std::string_view before = "router_trace_rank";
  constexpr std::string_view after = ".jsonl";
  if (!name.starts_with(before) || !name.ends_with(after) ||
      name.size() <= before.size() + after.size())
    return std::nullopt;
  std::int64_t rank = 0;
  char const* const end = name.data() + name.size() - after.size();
  auto const [stop, status] = std::from_chars(name.data() + before.size(), end, rank);
  if (status != std::errc{} || stop != end || rank < 0) return std::nullopt;
  return rank;
}

// By rank, so that of several faults the same one is always named.
std::vector<std::string> files_of_ranks(std::string const& directory) {
  std::vector<std::pair<std::int64_t, std::string>> found;
  std::error_code status;
  fs::directory_iterator at(directory, status);
  for (; !status && at != fs::directory_iterator(); at.increment(status))
    if (auto const rank = rank_of_file(at->path().filename().string()))
      found.emplace_back(*rank, at->path().string());
  if (status) throw input_error(shown(directory, 200) + ": can't be read: " + status.message());
  if (found.empty())
    throw input_error(shown(directory, 200) + ": holds no file router_trace_rank*.jsonl");
  std::sort(found.begin(), found.end());
  std::vector<std::string> files;
  for (auto& [rank, file] : found) files.push_back(std::move(file));
  return files;
}

std::string name_of_directory(std::string const& path) {
  auto const whole = fs::absolute(path).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

}  // namespace

load_trace read_load_trace(std::string const& path, std::optional<std::int32_t> experts) {
  std::error_code unknown;  // what can't be looked at can't be opened either: that says more
  if (fs::is_directory(path, unknown)) {
    router_trace_reader reader(experts);
    for (auto const& file : files_of_ranks(path)) reader.add(read_file(file), shown(file, 200));
    return reader.finish(name_of_directory(path));
  }
  std::string const text = read_file(path);
  std::string const source = shown(path, 200);
  std::string const stem = fs::path(path).stem().string();
  if (text.starts_with("\xEF\xBB\xBF"))
    throw input_error(source + ":1: trace: begins with a byte order mark, which is no part of it");
  auto const first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) throw input_error(source + ":1: trace: the file holds nothing");
  if (text[first] != '{') return read_csv_trace(text, source, stem, experts);
  router_trace_reader reader(experts);
  reader.add(text, source);
  return reader.finish(stem);
}

}  // namespace llep::tool
