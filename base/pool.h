// A fixed number of threads and a bounded queue of work for them. An exception of a task reaches the
// one who waits for its future. Any thread may submit; a task never waits for another task of its pool.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/guarded.h"

namespace wfs {

class Pool {
 public:
  explicit Pool(unsigned threads, std::size_t queue_max = 256);
  ~Pool();  // finishes what is queued

  // Sleeps while the queue is full.
  template <class Task>
  auto submit(Task task) -> std::future<std::invoke_result_t<Task>> {
    auto packaged =
        std::make_shared<std::packaged_task<std::invoke_result_t<Task>()>>(std::move(task));
    auto result = packaged->get_future();
    push([packaged] { (*packaged)(); });
    return result;
  }

  // Queues `task` unless the queue is full; for work that is only worth doing when a thread is free.
  bool try_submit(std::function<void()> task);

 private:
  struct State {
    std::deque<std::function<void()>> queue;
    bool closed = false;
  };

  void push(std::function<void()> task);
  void work();

  std::size_t queue_max_;
  Guarded<State> state_;
  std::condition_variable filled_;
  std::condition_variable drained_;
  std::vector<std::jthread> threads_;
};

}  // namespace wfs
