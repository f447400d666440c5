// A model behind HTTP, in OpenAI's dialect. Implemented by the door src/server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <trine/result.h>
#include <trine/serving.h>
#include <vector>

namespace trine {

struct ServeOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8080;                   ///< 0: a free one
  std::vector<std::string> api_keys{};         ///< empty: everybody may come
  std::vector<std::string> allowed_origins{};  ///< of web pages; "*": all
  std::string model_name{};                    ///< empty: that of the directory
  ServiceOptions service{};
  std::uint64_t most_body_bytes = std::uint64_t{8} << 20;
  std::size_t most_connections = 1000;
  std::size_t most_unsent_bytes = std::size_t{1} << 20;  ///< of one answer, then it is given up
  double read_seconds = 60.0;                            ///< for the body of a request
  double write_seconds = 30.0;                           ///< for what is written at once
  double drain_seconds = 30.0;                           ///< for running answers after a signal
  /// Called once, when requests are accepted: the address, for example "http://127.0.0.1:8080".
  std::function<void(const std::string& address, const ServedModel& model)> on_ready{};
};

/// Serves the model in `path` until SIGINT or SIGTERM; answers under way are finished first. The
/// port is bound before the model is read; until it is, /health says 503. docs/server.md has the
/// endpoints. kIo when the address cannot be bound; the errors of Service::open.
[[nodiscard]] Status serve_model(const std::string& path, const ServeOptions& options);

}  // namespace trine
