// What every function that depends on the outside world returns.
#pragma once

#include <stdexcept>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace trine {

/// What went wrong, coarse enough to act on; the sentence in Error says the rest.
enum class ErrorCode {
  kInvalidArgument,  ///< the caller asked for something that makes no sense
  kNotFound,         ///< a file, tensor or name does not exist
  kIo,               ///< the operating system refused a read, write or rename
  kMalformed,        ///< a file's content breaks its format
  kUnsupported,      ///< well formed, but not something Trine knows
  kChecksum,         ///< stored bytes differ from what was written
};

/// The code as it appears in JSON output, for example "malformed".
[[nodiscard]] std::string to_string(ErrorCode code);

/// A code and one sentence that names the thing, what was found and what was expected.
struct Error {
  ErrorCode code = ErrorCode::kInvalidArgument;
  std::string message{};
};

/// A value or an Error. `Result<void>` is a bare success. Ignoring one does not compile.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

/// Success or an Error.
using Status = Result<void>;

/// A broken promise of our own code. Thrown by check(), caught only at the doors (exit 70).
class InvariantError : public std::logic_error {
  using std::logic_error::logic_error;
};

}  // namespace trine
