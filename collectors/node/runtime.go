package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

const (
	runtimePatience = time.Second // for the answer of a runtime
	runtimeRest     = time.Minute // after it gave none
)

// runtimeAPI is the socket of Docker, or of Podman, which has the same API. It is
// asked one question that changes nothing.
type runtimeAPI struct {
	socket string
	client *http.Client
	rest   time.Time // it is not asked before
	err    error     // why
}

func newRuntimeAPI(socket string) *runtimeAPI {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &runtimeAPI{socket: socket, client: &http.Client{
		Transport:     &http.Transport{DialContext: dial, MaxConnsPerHost: 1, IdleConnTimeout: runtimeRest},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// apiContainer is a container in the answer of a runtime.
type apiContainer struct {
	ID     string `json:"Id"`
	Names  []string
	Labels map[string]string
}

// name returns what the container is called.
func (c *apiContainer) name(id string) name {
	const label = "io.kubernetes."
	if pod := c.Labels[label+"pod.name"]; pod != "" {
		return name{name: id[:shortID], namespace: c.Labels[label+"pod.namespace"], pod: pod, container: c.Labels[label+"container.name"]}
	}
	for _, n := range c.Names {
		// Links of other containers to this one have their names in front of it.
		if n = strings.TrimPrefix(n, "/"); n != "" && !strings.Contains(n, "/") {
			return name{name: n}
		}
	}
	return name{}
}

// containers returns the containers that run. After a failure the error stays for
// a while, without a question.
func (r *runtimeAPI) containers(ctx context.Context, now time.Time) ([]apiContainer, error) {
	if now.Before(r.rest) {
		return nil, r.err
	}
	all, err := r.ask(ctx)
	if r.err = err; err != nil {
		r.err = fmt.Errorf("ask the runtime behind %s: %w", r.socket, err)
		r.rest = now.Add(runtimeRest)
	}
	return all, r.err
}

func (r *runtimeAPI) ask(ctx context.Context) ([]apiContainer, error) {
	ctx, cancel := context.WithTimeout(ctx, runtimePatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://runtime/containers/json", nil)
	if err != nil {
		return nil, err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New("answered " + resp.Status)
	}
	var all []apiContainer
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxNamesFile)).Decode(&all); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return all, nil
}
