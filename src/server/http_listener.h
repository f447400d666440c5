// Connections: reads requests within limits, hands them on, writes answers as fast as they are
// read.
#pragma once

#include <trine/result.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "server/http_exchange.h"

namespace trine::server {

struct HttpLimits {
  std::size_t header_bytes = 16 * 1024;
  std::uint64_t body_bytes = 8 * 1024 * 1024;
  std::size_t connections = 1000;
  std::size_t unsent_bytes = 1024 * 1024;  ///< of one answer; more: the client reads too slowly
  double header_seconds = 20.0;            ///< for a header, and between two requests
  double body_seconds = 60.0;
  double write_seconds = 30.0;  ///< for what is written at once
  double drain_seconds = 30.0;  ///< for answers under way after the first signal
};

/// One thread for all connections, a few for what handlers do. HTTP/1.1 with keep-alive.
class HttpListener {
 public:
  /// Binds; kIo says why it could not. Port 0 takes a free one.
  [[nodiscard]] static Result<std::unique_ptr<HttpListener>> open(const std::string& host,
                                                                  std::uint16_t port,
                                                                  const HttpLimits& limits);
  HttpListener() = default;
  HttpListener(const HttpListener&) = delete;
  HttpListener& operator=(const HttpListener&) = delete;
  virtual ~HttpListener() = default;

  [[nodiscard]] virtual std::uint16_t port() const noexcept = 0;
  [[nodiscard]] virtual std::size_t connections() const noexcept = 0;

  /// Serves until SIGTERM, SIGINT or stop(): then no new connection is taken, answers under way
  /// are finished, and at the latest after drain_seconds, or a second signal, cut off.
  virtual void run(HttpHandler handler) = 0;

  /// As the first signal; from any thread.
  virtual void stop() = 0;
};

}  // namespace trine::server
