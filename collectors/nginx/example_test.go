package nginx_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/dmarc-suite/dmarc-suite/collectors/nginx"
)

func ExampleNew() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "Active connections: 1\nserver accepts handled requests\n 5 5 7\nReading: 0 Writing: 1 Waiting: 0\n")
	}))
	defer server.Close()

	registry := prometheus.NewRegistry()
	registry.MustRegister(nginx.New([]nginx.Target{{URL: server.URL, Client: server.Client()}}, nginx.Config{}))
	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
	}
	for _, family := range families {
		if family.GetName() == "nginx_http_requests_total" {
			fmt.Println(family.GetMetric()[0].GetCounter().GetValue())
		}
	}
	// Output: 7
}

func ExampleNewAccessLog() {
	_, err := nginx.NewAccessLog(nginx.AccessLogConfig{
		Inputs: []nginx.Input{{File: "/var/log/nginx/access.log", Format: `$remote_addr$status`}},
	})
	fmt.Println(err)
	// Output: /var/log/nginx/access.log: log format, column 13: nothing separates $remote_addr from the variable behind it
}
