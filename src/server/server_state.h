// What all routes of one server share.
#pragma once

#include <trine/server.h>

#include <atomic>
#include <chrono>
#include <string>

#include "server/http_exchange.h"
#include "server/http_listener.h"

namespace trine::server {

struct ServerState {
  ServeOptions options{};
  HttpListener* listener = nullptr;
  std::atomic<Service*> service = nullptr;  ///< null while the model is read
  std::chrono::system_clock::time_point started = std::chrono::system_clock::now();

  std::atomic<std::uint64_t> http_requests = 0;
  std::atomic<std::uint64_t> http_errors = 0;  ///< 4xx and 5xx of the routes

  [[nodiscard]] std::string model_name() const {
    return options.model_name.empty() ? service.load()->model().name : options.model_name;
  }
};

}  // namespace trine::server
