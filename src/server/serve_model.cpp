// Composes the door: listener, routes and service.
#include <trine/server.h>

#include <exception>
#include <optional>
#include <thread>

#include "server/http_listener.h"
#include "server/routes.h"
#include "server/server_state.h"

namespace trine {
namespace {

std::string address_of(const std::string& host, std::uint16_t port) {
  const bool is_v6 = host.find(':') != std::string::npos;
  return "http://" + (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace

Status serve_model(const std::string& path, const ServeOptions& options) {
  const server::HttpLimits limits{.body_bytes = options.most_body_bytes,
                                  .connections = options.most_connections,
                                  .unsent_bytes = options.most_unsent_bytes,
                                  .body_seconds = options.read_seconds,
                                  .write_seconds = options.write_seconds,
                                  .drain_seconds = options.drain_seconds};
  auto listener = server::HttpListener::open(options.host, options.port, limits);
  if (!listener) return tl::unexpected<Error>(listener.error());
  server::ServerState state{.options = options, .listener = listener->get()};
  std::optional<Service> service;
  std::optional<Error> failure;
  std::exception_ptr bug;
  // Connections are served, with 503, while this thread reads the model.
  std::thread loader([&] {
    try {
      auto opened = Service::open(path, options.service);
      if (opened) {
        service.emplace(std::move(*opened));
        state.service = &*service;
        if (options.on_ready) {
          options.on_ready(address_of(options.host, (*listener)->port()), service->model());
        }
        return;
      }
      failure = opened.error();
    } catch (...) {
      bug = std::current_exception();
    }
    (*listener)->stop();
  });
  (*listener)->run([&state](const auto& exchange, server::HttpRequest request) {
    server::dispatch(state, exchange, std::move(request));
  });
  loader.join();
  service.reset();  // its callbacks hold exchanges of the listener
  if (bug) std::rethrow_exception(bug);
  if (failure) return tl::unexpected<Error>(*failure);
  return {};
}

}  // namespace trine
