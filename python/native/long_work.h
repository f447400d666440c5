// Work that takes minutes: the interpreter's lock is released, and every step looks whether the
// user wants to stop.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include <trine/progress.h>
#include "conversion.h"
#include "fork_guard.h"

namespace trine::python {

/// Raises what a signal handler raised since the last look: KeyboardInterrupt after Ctrl-C. Other
/// threads than Python's main one see nothing.
inline void raise_pending_signals() {
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

/// Runs `work(ProgressCallback)` without the interpreter's lock and returns its report as a dict.
/// `callback` is None or takes (name, done, total). What it raises, and what signals raise, ends
/// the work.
template <class Work>
py::object run_long(const py::object& callback, Work&& work) {
  about_to_use_threads();
  // Holds a reference to `callback`: the library may copy it without the lock.
  const ProgressCallback progress = [&callback](const Progress& step) {
    const py::gil_scoped_acquire locked;
    raise_pending_signals();
    if (callback.is_none()) return;
    callback(std::string(step.item), step.done_units, step.total_units);
  };
  auto result = [&] {
    const py::gil_scoped_release unlocked;
    return work(progress);
  }();
  raise_pending_signals();
  auto report = unwrap(std::move(result));
  return to_python(report);
}

}  // namespace trine::python
