// What can be asked over the control socket: one request in JSON, one answer in JSON. Any thread.
#pragma once

#include <functional>
#include <string>

#include "fs/capture.h"
#include "fs/filesystem.h"
#include "index/repository.h"

namespace wfs {

struct ControlContext {
  Repository& repository;
  Capture& capture;
  FileSystem& files;
  const std::string& mount;
  std::function<bool()> stopping;  // waiting ends when this says so
};

// {"verb":"status"|"wait"|"commit"|"branch"|"delete_branch"|"tag"|"delete_tag"|"warm", ...} gives
// {"ok":true, ...} or
// {"ok":false,"error":NAME OF THE CODE,"message":TEXT}.
std::string answer_control(const ControlContext& context, const std::string& request) noexcept;

}  // namespace wfs
