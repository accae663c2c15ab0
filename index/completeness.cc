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

// True for a folder that holds the file its writer writes after all weights: trainer_state.json, or
// DCP's `.metadata`. One that is older than some weights was left there by the save before this one.
bool has_finished(const Tree& folder, std::string_view last_written) {
  const TreeEntry* last = folder.find(last_written);
  if (last == nullptr || last->kind != Kind::file) return false;
  for (const TreeEntry& entry : folder.entries) {
    if (is_weights(entry.name) && entry.mtime_ns > last->mtime_ns) return false;
  }
  return true;
}

bool is_whole(const Tree& folder, const LoadText& load_text) {
  static const std::regex shard(".*-[0-9]{5}-of-[0-9]{5}\\.(safetensors|bin)");
  if (has_finished(folder, "trainer_state.json")) return true;
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
  if (has_distcp) return has_finished(folder, ".metadata");
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

void count_models(const Tree& folder, const LoadTree& load_tree, const LoadText& load_text,
                  Count& count) {
  bool is_model = false;
  for (const TreeEntry& entry : folder.entries) {
    if (entry.kind == Kind::folder) {
      count_models(load_tree(entry.tree), load_tree, load_text, count);
    } else {
      is_model = is_model || (entry.kind == Kind::file && is_weights(entry.name));
    }
  }
  if (!is_model) return;
  ++count.models;
  if (is_whole(folder, load_text)) ++count.whole;
}

}  // namespace

bool is_complete(const Tree& root, const LoadTree& load_tree, const LoadText& load_text) {
  Count count;
  count_models(root, load_tree, load_text, count);
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
