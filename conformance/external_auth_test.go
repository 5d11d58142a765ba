package conformance

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
)

// TestExternalAuth asks an authorization server that is made of grpc-go and of Envoy's own messages, which have nothing to do with
// those that gatefold has written by hand.
func TestExternalAuth(t *testing.T) {
	if *daemonBinary == "" {
		t.Skip("no -daemon")
	}
	questions := make(chan *authv3.AttributeContext, 10)
	gateway := startGatewayWithAuth(t, startAuthServer(t, questions))
	ask := func(path, user string) *http.Response {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+gateway+path, strings.NewReader("body"))
		require.NoError(t, err)
		request.Host = "shop.example.com"
		request.Header.Set("x-user", user)
		request.Header.Set("authorization", "secret")
		response, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		t.Cleanup(func() { response.Body.Close() })
		return response
	}

	denied := ask("/?a=1", "guest")
	body, err := io.ReadAll(denied.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusFound, denied.StatusCode)
	require.Equal(t, "log in", string(body))
	require.Equal(t, "/login", denied.Header.Get("location"))
	question := <-questions
	require.Equal(t, "127.0.0.1", question.GetSource().GetAddress().GetSocketAddress().GetAddress())
	require.NotZero(t, question.GetSource().GetAddress().GetSocketAddress().GetPortValue())
	require.NotZero(t, question.GetDestination().GetAddress().GetSocketAddress().GetPortValue())
	require.NoError(t, question.GetRequest().GetTime().CheckValid())
	require.NotZero(t, question.GetRequest().GetTime().GetSeconds())
	request := question.GetRequest().GetHttp()
	require.NotEmpty(t, request.GetId())
	require.Equal(t, []string{"POST", "/?a=1", "shop.example.com", "http", "HTTP/1.1"},
		[]string{request.GetMethod(), request.GetPath(), request.GetHost(), request.GetScheme(), request.GetProtocol()})
	require.EqualValues(t, 4, request.GetSize())
	require.Equal(t, "guest", request.GetHeaders()["x-user"])
	require.Equal(t, "/?a=1", request.GetHeaders()[":path"])
	require.Equal(t, map[string]string{"tenant": "blue"}, question.GetContextExtensions())
	resources := question.GetRouteMetadataContext().GetFilterMetadata()["envoy-gateway"].GetFields()["resources"]
	require.Equal(t, map[string]any{"kind": "HTTPRoute", "namespace": "default", "name": "shop"}, resources.GetListValue().GetValues()[0].AsInterface())

	allowed := ask("/?token=1", "alice")
	body, err = io.ReadAll(allowed.Body)
	require.NoError(t, err)
	require.Equal(t, "/?user=alice x-role=admin authorization=", string(body))
	require.Equal(t, []string{"a=1", "b=2"}, allowed.Header.Values("set-cookie"))

	require.Equal(t, http.StatusForbidden, ask("/", "stranger").StatusCode, "a status without a response")
	require.Equal(t, http.StatusServiceUnavailable, ask("/", "fails").StatusCode, "the call fails")
}

// authServer allows alice, sends guest to the page for logging in, denies the stranger, and fails for all others.
type authServer struct {
	authv3.UnimplementedAuthorizationServer
	questions chan<- *authv3.AttributeContext
}

func (s *authServer) Check(_ context.Context, question *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	s.questions <- question.GetAttributes()
	option := func(name, value string) *corev3.HeaderValueOption {
		return &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}}
	}
	switch question.GetAttributes().GetRequest().GetHttp().GetHeaders()["x-user"] {
	case "alice":
		return &authv3.CheckResponse{
			Status: &status.Status{Code: int32(codes.OK)},
			HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{
				Headers:                 []*corev3.HeaderValueOption{option("x-role", "admin")},
				HeadersToRemove:         []string{"authorization"},
				ResponseHeadersToAdd:    []*corev3.HeaderValueOption{option("set-cookie", "a=1"), option("set-cookie", "b=2")},
				QueryParametersToSet:    []*corev3.QueryParameter{{Key: "user", Value: "alice"}},
				QueryParametersToRemove: []string{"token"},
			}},
		}, nil
	case "guest":
		return &authv3.CheckResponse{
			Status: &status.Status{Code: int32(codes.Unauthenticated)},
			HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
				Status:  &typev3.HttpStatus{Code: typev3.StatusCode_Found},
				Headers: []*corev3.HeaderValueOption{option("location", "/login")},
				Body:    "log in",
			}},
		}, nil
	case "stranger":
		return &authv3.CheckResponse{Status: &status.Status{Code: int32(codes.PermissionDenied)}}, nil
	default:
		return nil, context.DeadlineExceeded
	}
}

func startAuthServer(t *testing.T, questions chan<- *authv3.AttributeContext) net.Addr {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	authv3.RegisterAuthorizationServer(server, &authServer{questions: questions})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr()
}

// startGatewayWithAuth runs the daemon with a route whose policy asks the server. Its backend answers what it has received.
func startGatewayWithAuth(t *testing.T, server net.Addr) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	backend := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.URL.RequestURI()+" x-role="+r.Header.Get("x-role")+" authorization="+r.Header.Get("authorization"))
	})}
	go func() { _ = backend.Serve(listener) }()
	t.Cleanup(func() { backend.Close() })
	port := func(address string) string {
		_, port, err := net.SplitHostPort(address)
		require.NoError(t, err)
		return port
	}
	gateway, admin, folder := freeAddress(t), freeAddress(t), t.TempDir()
	manifests := strings.NewReplacer("GATEWAY_PORT", port(gateway), "BACKEND_PORT", port(listener.Addr().String()),
		"AUTH_PORT", port(server.String())).Replace(externalAuthManifests)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "auth.yaml"), []byte(manifests), 0o600))
	startReady(t, folder, admin)
	return gateway
}

const externalAuthManifests = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway}
spec:
  gatewayClassName: any
  listeners: [{name: http, protocol: HTTP, port: GATEWAY_PORT}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: gateway}]
  rules: [{backendRefs: [{name: shop, port: 80}]}]
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: SecurityPolicy
metadata: {name: asks}
spec:
  targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}]
  extAuth:
    grpc: {backendRefs: [{name: auth, port: 80}]}
    includeRouteMetadata: true
    contextExtensions: [{name: tenant, value: blue}]
    statusOnError: 503
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{port: BACKEND_PORT}]
---
apiVersion: v1
kind: Service
metadata: {name: auth}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: auth, labels: {kubernetes.io/service-name: auth}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{port: AUTH_PORT}]
`
