package realtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// NginxServer is a private nginx.
type NginxServer struct {
	*Process
	// Port is where it listens on 127.0.0.1.
	Port int
	// Dir holds its configuration, logs and sockets.
	Dir string
}

// URL returns the address of a path.
func (n *NginxServer) URL(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", n.Port, path)
}

// nginxConfig runs as one process in the foreground; the last %s is the test's own part of http.
const nginxConfig = `daemon off;
master_process on;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log %[1]s/error.log notice;
events { worker_connections 512; }
http {
  access_log %[1]s/all.log;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
%[2]s
}
`

// Nginx starts nginx with the given text inside its http block, in which
// %[1]d is the port and %[2]s the directory.
func Nginx(t testing.TB, http string) *NginxServer {
	t.Helper()
	binary := Need(t, "nginx")["nginx"]
	n := &NginxServer{Port: FreePort(t), Dir: t.TempDir()}
	// Workers run as an unprivileged user when the tests run as root.
	if err := os.Chmod(n.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(n.Dir, "nginx.conf")
	text := fmt.Sprintf(nginxConfig, n.Dir, fmt.Sprintf(http, n.Port, n.Dir))
	if os.Geteuid() == 0 {
		text = "user root;\n" + text
	}
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.Process = Start(t, exec.Command(binary, "-p", n.Dir, "-e", filepath.Join(n.Dir, "error.log"), "-c", config))
	n.WaitFor(t, Dial("tcp", fmt.Sprintf("127.0.0.1:%d", n.Port)))
	return n
}
