#include "base/pool.h"

#include <exception>

#include "base/log.h"

namespace wfs {

Pool::Pool(unsigned threads, std::size_t queue_max) : queue_max_(queue_max) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
}

Pool::~Pool() {
  state_.lock()->closed = true;
  filled_.notify_all();
  threads_.clear();
}

void Pool::push(std::function<void()> task) {
  {
    auto state = state_.lock();
    state.wait(drained_, [&] { return state->queue.size() < queue_max_; });
    state->queue.push_back(std::move(task));
  }
  filled_.notify_one();
}

bool Pool::try_submit(std::function<void()> task) {
  {
    auto state = state_.lock();
    if (state->queue.size() >= queue_max_) return false;
    state->queue.push_back(std::move(task));
  }
  filled_.notify_one();
  return true;
}

void Pool::work() {
  for (;;) {
    std::function<void()> task;
    {
      auto state = state_.lock();
      state.wait(filled_, [&] { return state->closed || !state->queue.empty(); });
      if (state->queue.empty()) return;
      task = std::move(state->queue.front());
      state->queue.pop_front();
    }
    drained_.notify_one();
    try {
      task();
    } catch (const std::exception& error) {
      log(Level::error, error.what());
    }
  }
}

}  // namespace wfs
