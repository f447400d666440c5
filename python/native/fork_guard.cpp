#include "fork_guard.h"

#include <pthread.h>

#include <atomic>

#include "conversion.h"

namespace trine::python {
namespace {

std::atomic<bool> has_threads{false};
std::atomic<bool> has_lost_threads{false};

}  // namespace

void watch_forks() {
  pthread_atfork(nullptr, nullptr, [] { has_lost_threads = has_threads.load(); });
}

void about_to_use_threads() {
  if (has_lost_threads) {
    raise({ErrorCode::kUnsupported,
           "this process was forked from one in which Trine had run, whose threads it does not "
           "have; start it another way, as multiprocessing.get_context(\"spawn\") does"});
  }
  has_threads = true;
}

}  // namespace trine::python
