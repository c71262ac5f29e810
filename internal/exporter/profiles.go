package exporter

import (
	"fmt"
	"net/http"
	"runtime/pprof"
	"strconv"
	"time"
)

// maxProfile bounds how long a profile of the processor may take.
const maxProfile = 5 * time.Minute

// addProfiles serves the profiles that `go tool pprof` asks for. net/http/pprof
// has a page and differences, too, which would be 3 % of a small binary.
func addProfiles(r *routes, guard func(http.Handler) http.Handler) {
	r.handle("GET /debug/pprof/profile", guard(http.HandlerFunc(processorProfile)))
	r.handle("GET /debug/pprof/{name}", guard(http.HandlerFunc(profile)))
}

// profile writes one of runtime/pprof's profiles, as text with debug=1.
func profile(w http.ResponseWriter, r *http.Request) {
	p := pprof.Lookup(r.PathValue("name"))
	if p == nil {
		http.Error(w, "no such profile: allocs, block, goroutine, heap, mutex or threadcreate", http.StatusNotFound)
		return
	}
	debug, _ := strconv.Atoi(r.URL.Query().Get("debug")) // 0 if it is no number
	_ = p.WriteTo(w, debug)                              // the client has gone
}

// processorProfile writes how the processor was used in the next seconds, 30
// unless told otherwise.
func processorProfile(w http.ResponseWriter, r *http.Request) {
	took := 30 * time.Second
	if s, err := strconv.ParseFloat(r.URL.Query().Get("seconds"), 64); err == nil && s > 0 {
		took = min(time.Duration(s*float64(time.Second)), maxProfile)
	}
	if err := pprof.StartCPUProfile(w); err != nil {
		http.Error(w, fmt.Sprint("cannot profile now: ", err), http.StatusConflict)
		return
	}
	defer pprof.StopCPUProfile()
	select {
	case <-time.After(took):
	case <-r.Context().Done():
	}
}
