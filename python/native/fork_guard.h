// fork() copies one thread. A child of a process in which OpenMP had threads waits for them
// forever; it is told so instead.
#pragma once

namespace trine::python {

/// To be called once, when the module is loaded.
void watch_forks();

/// To be called before work with threads. Raises trine.Error (unsupported) in a process that was
/// forked after some had been done. Needs the interpreter's lock.
void about_to_use_threads();

}  // namespace trine::python
