// Numbers in file names: which checkpoint comes before which. `checkpoint-200` is text and a number, and so is
// `epoch=2-step=30.ckpt`, with two of each and an end. Functions without state; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wfs {

// A name cut into text and numbers; the text has "#" for each number.
struct NumberedName {
  std::string text;
  std::vector<std::uint64_t> numbers;
};
NumberedName numbered(std::string_view name);

// Whether `a` comes before `b` when numbers in them count as numbers: "step-9" before "step-10".
bool natural_less(std::string_view a, std::string_view b);

// The names of `all` that differ from `name` in their numbers only and come before it, the nearest first.
std::vector<std::string> names_before(std::string_view name, const std::vector<std::string>& all);

// `rest` with each number that ends `name` put in place by that of `before`: what a file below
// checkpoint-200 called global_step200 is called below checkpoint-100.
std::string renumbered(std::string_view rest, std::string_view name, std::string_view before);

}  // namespace wfs
