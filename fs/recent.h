// The values that were used last, by key, as many as weigh no more than a bound: state kept for
// whoever does not say when it is no longer wanted. Whoever got a value keeps it as long as it likes.
// Any thread.
#pragma once

#include <list>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/guarded.h"

namespace wfs {

template <class Key, class Value>
class Recent {
 public:
  explicit Recent(std::size_t weight_max) : weight_max_(weight_max) {}

  // Null: there is none.
  std::shared_ptr<Value> find(const Key& key) {
    auto state = state_.lock();
    const auto found = state->by_key.find(key);
    if (found == state->by_key.end()) return nullptr;
    state->by_age.splice(state->by_age.end(), state->by_age, found->second.age);
    return found->second.value;
  }

  // The value that is kept for `key`: `value`, or one that somebody else put first. The newest is
  // kept whatever it weighs.
  std::shared_ptr<Value> put(const Key& key, std::shared_ptr<Value> value, std::size_t weight = 1) {
    std::vector<std::shared_ptr<Value>> dropped;  // destroyed after the lock is given up
    auto state = state_.lock();
    const auto [at, is_new] = state->by_key.try_emplace(key);
    if (!is_new) return at->second.value;
    at->second = {value, weight, state->by_age.insert(state->by_age.end(), key)};
    state->weight += weight;
    while (state->weight > weight_max_ && state->by_age.size() > 1) {
      const auto oldest = state->by_key.find(state->by_age.front());
      state->weight -= oldest->second.weight;
      dropped.push_back(std::move(oldest->second.value));
      state->by_key.erase(oldest);
      state->by_age.pop_front();
    }
    state.release();
    return value;
  }

 private:
  struct Kept {
    std::shared_ptr<Value> value;
    std::size_t weight = 0;
    typename std::list<Key>::iterator age;
  };
  struct State {
    std::unordered_map<Key, Kept> by_key;
    std::list<Key> by_age;  // oldest first
    std::size_t weight = 0;
  };

  std::size_t weight_max_;
  Guarded<State> state_;
};

}  // namespace wfs
