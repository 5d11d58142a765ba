package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// TestGRPCCalls sends calls of every kind through a GRPCRoute: client and backend are grpc-go, an implementation
// of gRPC that has nothing to do with gatefold.
func TestGRPCCalls(t *testing.T) {
	if *daemonBinary == "" {
		t.Skip("no -daemon")
	}
	client := dial(t, startGateway(t, startEchoBackend(t)))
	for name, call := range map[string]func(*testing.T, *grpc.ClientConn){
		"unary": unaryCall, "client stream": clientStream, "server stream": serverStream, "both streams": bothStreams,
		"failure of the backend": backendFailure, "answers of the gateway": gatewayAnswers,
	} {
		t.Run(name, func(t *testing.T) { call(t, client) })
	}
}

func unaryCall(t *testing.T, client *grpc.ClientConn) {
	var header, trailer metadata.MD
	answer := []byte{}
	question := []byte("question")
	ctx := metadata.AppendToOutgoingContext(deadline(t), "x-asked", "yes")
	require.NoError(t, client.Invoke(ctx, "/echo.Echo/Unary", &question, &answer, grpc.Header(&header), grpc.Trailer(&trailer)))
	require.Equal(t, "question", string(answer))
	require.Equal(t, []string{"yes"}, header.Get("x-asked"))
	require.Equal(t, []string{"by-the-route"}, header.Get("x-added"), "the route's ResponseHeaderModifier")
	require.Equal(t, []string{"end"}, trailer.Get("x-trailer"))
}

func clientStream(t *testing.T, client *grpc.ClientConn) {
	stream, err := client.NewStream(deadline(t), &grpc.StreamDesc{ClientStreams: true}, "/echo.Echo/Collect")
	require.NoError(t, err)
	for range 1000 {
		require.NoError(t, stream.SendMsg(new([]byte("piece"))))
	}
	require.NoError(t, stream.CloseSend())
	answer := []byte{}
	require.NoError(t, stream.RecvMsg(&answer))
	require.Equal(t, "1000", string(answer))
}

func serverStream(t *testing.T, client *grpc.ClientConn) {
	stream, err := client.NewStream(deadline(t), &grpc.StreamDesc{ServerStreams: true}, "/echo.Echo/Expand")
	require.NoError(t, err)
	require.NoError(t, stream.SendMsg(new([]byte("piece"))))
	require.NoError(t, stream.CloseSend())
	answer := []byte{}
	for i := range 100 {
		require.NoError(t, stream.RecvMsg(&answer))
		require.Equal(t, fmt.Sprintf("piece %d", i), string(answer))
	}
	require.ErrorIs(t, stream.RecvMsg(&answer), io.EOF)
	require.Equal(t, []string{"end"}, stream.Trailer().Get("x-trailer"))
}

func bothStreams(t *testing.T, client *grpc.ClientConn) {
	stream, err := client.NewStream(deadline(t), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/echo.Echo/Chat")
	require.NoError(t, err)
	answer := []byte{}
	for i := range 50 { // each message waits for the answer to the one before: nothing may be held back
		question := fmt.Appendf(nil, "message %d", i)
		require.NoError(t, stream.SendMsg(&question))
		require.NoError(t, stream.RecvMsg(&answer))
		require.Equal(t, string(question), string(answer))
	}
	require.NoError(t, stream.CloseSend())
	require.ErrorIs(t, stream.RecvMsg(&answer), io.EOF)
}

func backendFailure(t *testing.T, client *grpc.ClientConn) {
	question := []byte{}
	got := status.Convert(client.Invoke(deadline(t), "/echo.Echo/Fail", &question, &question))
	require.Equal(t, codes.ResourceExhausted, got.Code())
	require.Equal(t, "too much: 100 % ü", got.Message())
}

func gatewayAnswers(t *testing.T, client *grpc.ClientConn) {
	for method, code := range map[string]codes.Code{
		"/echo.Unknown/Unary":  codes.Unimplemented, // no rule matches
		"/echo.Nowhere/Unary":  codes.Unavailable,   // the Service has no endpoints
		"/echo.Dead/Unary":     codes.Unavailable,   // nothing listens at the endpoint
		"/echo.Missing/Unary":  codes.Unavailable,   // the Service doesn't exist
		"/echo.Echo/NotThere":  codes.Unimplemented, // by the backend
		"/echo.Method/GetUser": codes.OK,            // a match of the method alone
	} {
		t.Run(method, func(t *testing.T) {
			question := []byte{}
			got := status.Convert(client.Invoke(deadline(t), method, &question, &question))
			require.Equal(t, code, got.Code(), got.Message())
		})
	}
}

// raw passes messages through as bytes, so that no service has to be defined.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte{}, data...)
	return nil
}
func (raw) Name() string { return "raw" }

func startEchoBackend(t *testing.T) net.Addr {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(grpc.ForceServerCodec(raw{}), grpc.UnknownServiceHandler(echo))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr()
}

func echo(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	incoming, _ := metadata.FromIncomingContext(stream.Context())
	if err := stream.SetHeader(metadata.Pairs("x-asked", strings.Join(incoming.Get("x-asked"), ","))); err != nil {
		return err
	}
	stream.SetTrailer(metadata.Pairs("x-trailer", "end"))
	message, count := []byte{}, 0
	for {
		err := stream.RecvMsg(&message)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		count++
		switch method {
		case "/echo.Echo/Unary", "/echo.Echo/Chat", "/echo.Method/GetUser":
			err = stream.SendMsg(&message)
		case "/echo.Echo/Expand":
			for i := range 100 {
				err = errors.Join(err, stream.SendMsg(new(fmt.Appendf(nil, "%s %d", message, i))))
			}
		case "/echo.Echo/Collect":
		case "/echo.Echo/Fail":
			return status.Error(codes.ResourceExhausted, "too much: 100 % ü")
		default:
			return status.Error(codes.Unimplemented, method)
		}
		if err != nil {
			return err
		}
	}
	if method == "/echo.Echo/Collect" {
		return stream.SendMsg(new(fmt.Appendf(nil, "%d", count)))
	}
	return nil
}

// startGateway runs the daemon with a GRPCRoute to the backend. It returns the Gateway's address.
func startGateway(t *testing.T, backend net.Addr) string {
	folder, admin := t.TempDir(), freeAddress(t)
	gateway := freeAddress(t)
	_, gatewayPort, err := net.SplitHostPort(gateway)
	require.NoError(t, err)
	_, backendPort, err := net.SplitHostPort(backend.String())
	require.NoError(t, err)
	_, deadPort, err := net.SplitHostPort(freeAddress(t))
	require.NoError(t, err)
	manifests := strings.NewReplacer("GATEWAY_PORT", gatewayPort, "BACKEND_PORT", backendPort, "DEAD_PORT", deadPort).Replace(grpcManifests)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "grpc.yaml"), []byte(manifests), 0o600))
	startReady(t, folder, admin)
	return gateway
}

// startReady runs the daemon with a folder until it is ready.
func startReady(t *testing.T, folder, admin string) {
	daemon, err := StartDaemon(*daemonBinary, "run --config-dir {dir} --admin {admin} --address 127.0.0.1", filepath.Join(folder, "daemon.log"), admin,
		map[string]string{"dir": folder, "admin": admin})
	require.NoError(t, err)
	t.Cleanup(func() { daemon.Stop() })
	require.Eventually(t, func() bool {
		response, err := http.Get("http://" + admin + "/readyz")
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond, "the daemon is never ready")
}

func freeAddress(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	client, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	return client
}

func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

const grpcManifests = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gateway}
spec:
  gatewayClassName: any
  listeners: [{name: http, protocol: HTTP, port: GATEWAY_PORT}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: echo}
spec:
  parentRefs: [{name: gateway}]
  rules:
  - matches: [{method: {service: echo.Echo}}]
    filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-added, value: by-the-route}]}}]
    backendRefs: [{name: echo, port: 80}]
  - matches: [{method: {method: GetUser}}]
    backendRefs: [{name: echo, port: 80}]
  - matches: [{method: {service: echo.Nowhere}}]
    backendRefs: [{name: nowhere, port: 80}]
  - matches: [{method: {service: echo.Dead}}]
    backendRefs: [{name: dead, port: 80}]
  - matches: [{method: {service: echo.Missing}}]
    backendRefs: [{name: missing, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: echo, labels: {kubernetes.io/service-name: echo}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{port: BACKEND_PORT}]
---
apiVersion: v1
kind: Service
metadata: {name: dead}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: dead, labels: {kubernetes.io/service-name: dead}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{port: DEAD_PORT}]
---
apiVersion: v1
kind: Service
metadata: {name: nowhere}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: nowhere, labels: {kubernetes.io/service-name: nowhere}}
addressType: IPv4
endpoints: []
ports: [{port: 80}]
`
