// HTTP as the routes see it: a request, and the exchange that answers it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace trine::server {

struct HttpRequest {
  std::string method{};         ///< "GET"
  std::string path{};           ///< of the target, without the query
  std::string body{};           ///< within the limit
  std::string authorization{};  ///< that header, or empty
  std::string api_key{};        ///< header x-api-key, or empty
  std::string origin{};         ///< that header, or empty
  std::string host{};           ///< that header, or empty
  std::string client{};         ///< address of the other end
};

struct HttpResponse {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body{};
  std::vector<std::pair<std::string, std::string>> headers{};
};

/// One request being answered: respond() once, or begin_stream(), send() …, end(). From any
/// thread; once the client is gone nothing has any effect.
class HttpExchange {
 public:
  HttpExchange() = default;
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;
  virtual ~HttpExchange() = default;

  virtual void respond(HttpResponse response) = 0;
  /// The status and headers of `response`; its body is the first piece.
  virtual void begin_stream(HttpResponse response) = 0;
  virtual void send(std::string piece) = 0;
  virtual void end() = 0;

  /// Calls `closed` once if the client goes, or reads too slowly, before the answer is complete:
  /// at once if that has happened already, else on the thread of all connections and never from
  /// within respond(), begin_stream(), send() or end().
  virtual void on_close(std::function<void()> closed) = 0;
};

/// Answers requests, now or later. GET and OPTIONS come on the thread of all connections, so
/// they must be quick; the others on a worker thread.
using HttpHandler = std::function<void(const std::shared_ptr<HttpExchange>&, HttpRequest)>;

}  // namespace trine::server
