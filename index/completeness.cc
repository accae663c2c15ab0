#include "index/completeness.h"

#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "base/bytes.h"

namespace wfs {
namespace {

bool ends_with(std::string_view name, std::string_view end) { return name.ends_with(end); }

bool is_weights(std::string_view name) {
  return ends_with(name, ".safetensors") || ends_with(name, ".gguf") || ends_with(name, ".distcp") ||
         (name.starts_with("pytorch_model") && ends_with(name, ".bin"));
}

// The shards an index file names; nullopt when it is no index.
std::optional<std::set<std::string>> shards_of(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) {
    return std::nullopt;
  }
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : json["weight_map"].items()) {
    if (shard.is_string()) shards.insert(shard.get<std::string>());
  }
  return shards;
}

bool has_file(const Tree& folder, std::string_view name) {
  const TreeEntry* entry = folder.find(name);
  return entry != nullptr && entry->kind == Kind::file;
}

// trainer_state.json is written after everything else of a checkpoint.
bool trainer_finished(const Tree& folder) {
  const TreeEntry* state = folder.find("trainer_state.json");
  if (state == nullptr) return false;
  for (const TreeEntry& entry : folder.entries) {
    if (is_weights(entry.name) && entry.mtime_ns > state->mtime_ns) return false;
  }
  return true;
}

// How the names of the shards end that were there before this file was written; empty for other files.
std::string_view shards_before(std::string_view name) {
  if (name == ".metadata") return ".distcp";
  if (!ends_with(name, ".index.json")) return "";
  name.remove_suffix(std::string_view(".index.json").size());
  const std::size_t dot = name.rfind('.');
  return dot == name.npos ? "" : name.substr(dot);
}

// A save over an older one replaces shard after shard, and their index or `.metadata` last. Where that
// is still the one of a complete commit and shards are not, shards of both may stand side by side; an
// index serves all the new ones as well. Times do not tell: a download may end in any order.
bool is_half_replaced(const Tree& folder, const Tree& before) {
  for (const TreeEntry& last : folder.entries) {
    const std::string_view end = shards_before(last.name);
    const TreeEntry* kept = end.empty() ? nullptr : before.find(last.name);
    if (kept == nullptr || *kept != last) continue;
    bool has_new = false;
    bool has_old = end == ".distcp";
    for (const TreeEntry& shard : folder.entries) {
      const bool is_shard = ends_with(shard.name, end) &&
                            (end == ".distcp" || shard.name.find("-of-") != std::string::npos);
      const TreeEntry* old = is_shard ? before.find(shard.name) : nullptr;
      if (old == nullptr) continue;
      const bool is_same = old->content == shard.content;
      has_old = has_old || is_same;
      has_new = has_new || !is_same;
    }
    if (has_new && has_old) return true;
  }
  return false;
}

bool is_whole(const Tree& folder, const Tree* before, const LoadText& load_text) {
  static const std::regex shard(".*-[0-9]{5}-of-[0-9]{5}\\.(safetensors|bin)");
  if (trainer_finished(folder)) return true;
  if (before != nullptr && is_half_replaced(folder, *before)) return false;
  bool has_index = false;
  bool has_shards = false;
  bool has_distcp = false;
  bool whole = true;
  for (const TreeEntry& entry : folder.entries) {
    if (entry.kind != Kind::file) continue;
    if (ends_with(entry.name, ".index.json")) {
      const auto text = load_text(entry);
      const auto shards = text ? shards_of(*text) : std::nullopt;
      if (!shards) continue;
      has_index = true;
      for (const std::string& name : *shards) whole = whole && has_file(folder, name);
    }
    has_shards = has_shards || std::regex_match(entry.name, shard);
    has_distcp = has_distcp || ends_with(entry.name, ".distcp");
  }
  if (has_distcp) return has_file(folder, ".metadata");
  if (has_index || has_shards) return has_index && whole;
  for (const auto name : {"model.safetensors", "pytorch_model.bin"}) {
    if (has_file(folder, name)) return has_file(folder, "config.json");
  }
  if (has_file(folder, "adapter_model.safetensors")) return has_file(folder, "adapter_config.json");
  return true;  // one file that stands for itself: weights.safetensors, model.gguf
}

struct Count {
  unsigned models = 0;
  unsigned whole = 0;
};

void count_models(const Tree& folder, const Tree* before, const LoadTree& load_tree,
                  const LoadText& load_text, Count& count) {
  bool is_model = false;
  for (const TreeEntry& entry : folder.entries) {
    if (entry.kind == Kind::folder) {
      const TreeEntry* old = before == nullptr ? nullptr : before->find(entry.name);
      std::optional<Tree> changed;  // what the folder was, when it was another
      if (old != nullptr && old->kind == Kind::folder && old->tree != entry.tree) {
        changed = load_tree(old->tree);
      }
      count_models(load_tree(entry.tree), changed ? &*changed : nullptr, load_tree, load_text, count);
    } else {
      is_model = is_model || (entry.kind == Kind::file && is_weights(entry.name));
    }
  }
  if (!is_model) return;
  ++count.models;
  if (is_whole(folder, before, load_text)) ++count.whole;
}

}  // namespace

bool is_complete(const Tree& root, const Tree* before, const LoadTree& load_tree,
                 const LoadText& load_text) {
  Count count;
  count_models(root, before, load_tree, load_text, count);
  return count.models > 0 && count.whole == count.models;
}

std::string metrics_of_trainer_state(std::string_view text) {
  const auto state = nlohmann::json::parse(text, nullptr, false);
  if (!state.is_object()) return "";
  nlohmann::json metrics = nlohmann::json::object();
  // Later lines of the log overwrite earlier ones: what stays is the newest value of each metric.
  if (const auto log = state.find("log_history"); log != state.end() && log->is_array()) {
    for (const auto& line : *log) {
      if (!line.is_object()) continue;
      for (const auto& [name, value] : line.items()) {
        if (value.is_number()) metrics[name] = value;
      }
    }
  }
  for (const auto& [name, key] : {std::pair("step", "global_step"), std::pair("epoch", "epoch"),
                                  std::pair("best_metric", "best_metric")}) {
    if (const auto value = state.find(key); value != state.end() && value->is_number()) {
      metrics[name] = *value;
    }
  }
  return metrics.empty() ? "" : metrics.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace wfs
