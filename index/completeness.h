// Whether the model folders of a commit are whole, by what trainers leave behind (the rules stand in
// docs/SEMANTICS.md), and the metrics a trainer wrote down.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "index/model.h"

namespace wfs {

using LoadTree = std::function<Tree(const TreeId&)>;
// The bytes of a small file; nullopt when it is too large to be what it is taken for.
using LoadText = std::function<std::optional<std::string>(const TreeEntry&)>;

// True when the tree holds at least one model folder and every one of them is whole. `before`: the
// root of the last complete commit, if there is one; a save over it that is not finished is known by
// what it has not replaced yet.
bool is_complete(const Tree& root, const Tree* before, const LoadTree& load_tree,
                 const LoadText& load_text);

// The metrics of a trainer_state.json: {"step", "epoch", "loss", "eval_loss", ...} as a JSON object; empty
// when the text is none.
std::string metrics_of_trainer_state(std::string_view json);

}  // namespace wfs
