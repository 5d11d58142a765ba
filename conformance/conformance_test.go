package conformance

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apiextv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/apis/v1alpha2"
	"sigs.k8s.io/gateway-api/apis/v1alpha3"
	"sigs.k8s.io/gateway-api/apis/v1beta1"
	xv1alpha1 "sigs.k8s.io/gateway-api/apisx/v1alpha1"
	official "sigs.k8s.io/gateway-api/conformance"
	confv1 "sigs.k8s.io/gateway-api/conformance/apis/v1"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/conformance/utils/config"
	"sigs.k8s.io/gateway-api/conformance/utils/flags"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
	"sigs.k8s.io/yaml"
)

// The harness's flags. The suite's own flags (-conformance-profiles, -run-test,
// -supported-features, -report-output...) work as in a cluster.
var (
	daemonBinary = flag.String("daemon", "", "the gatefold binary")
	daemonArgs   = flag.String("daemon-args", "run --config-dir {dir} --admin {admin} --address-pool {pool} --controller-name {controller}", "the daemon's arguments; {dir}, {admin}, {pool}, {class}, {controller} are filled in")
	adminAddr    = flag.String("admin", "127.0.0.1:19901", "the daemon's admin address")
	addressPool  = flag.String("address-pool", "127.0.64.0/20", "the range of the Gateways' addresses")
	controller   = flag.String("controller-name", "example.net/gateway-controller", "the GatewayClass's controllerName")
	patience     = flag.Duration("patience", 20*time.Second, "upper bound for the suite's timeouts (never longer than their defaults)")
	parallel     = flag.Bool("parallel-tests", false, "run the suite's parallel tests in parallel")
	workDir      = flag.String("work", "", "folder for the config folder, the logs and the results (default: a temporary folder)")
	results      = flag.String("results", "", "also write the PASS/FAIL/SKIP lines to this file")
	passed       = flag.String("passed", "", "a file with the names of tests that passed before; the run fails if one of them does not pass")
	keepPassed   = flag.Bool("keep-passed", false, "write the names of the passed tests to the file of -passed instead of comparing")
)

func TestConformance(t *testing.T) {
	if *daemonBinary == "" {
		t.Skip("no -daemon")
	}
	log.SetLogger(zap.New(zap.WriteTo(os.Stderr), zap.UseDevMode(true)))
	work := *workDir
	if work == "" {
		work = t.TempDir()
	}
	work, err := filepath.Abs(work)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(filepath.Join(work, "config")))
	require.NoError(t, os.MkdirAll(work, 0o700))

	opts := suite.ConfigurableOptions{
		CleanupBaseResources: flags.DefaultCleanupBaseResources,
		CleanupTestResources: flags.DefaultCleanupTestResources,
		GatewayClassName:     flags.DefaultGatewayClassName,
		Mode:                 flags.DefaultMode,
		TimeoutConfig:        config.DefaultTimeoutConfig(),
		DisableParallelTests: !*parallel,
		UsableNetworkAddresses: []gatewayv1.GatewaySpecAddress{
			{Type: new(gatewayv1.IPAddressType), Value: "127.0.80.1"},
		},
		UnusableNetworkAddresses: []gatewayv1.GatewaySpecAddress{
			{Type: new(gatewayv1.IPAddressType), Value: "203.0.113.254"}, // in TEST-NET-3: no interface has it
		},
		ConformanceProfiles: []suite.ConformanceProfileName{
			suite.GatewayHTTPConformanceProfileName, suite.GatewayGRPCConformanceProfileName, suite.GatewayTLSConformanceProfileName,
			suite.GatewayTCPConformanceProfileName, suite.GatewayUDPConformanceProfileName,
		},
		Implementation: confv1.Implementation{Organization: "-", Project: "-", URL: "-", Version: "-", Contact: []string{"-"}},
	}
	if *flags.ConformanceOptionsFile != "" {
		data, err := os.ReadFile(*flags.ConformanceOptionsFile)
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(data, &opts))
	}
	capTimeouts(&opts.TimeoutConfig, *patience)
	flags.ApplyAll(&opts)
	if opts.EnableAllSupportedFeatures { // only those of a gateway, not of a mesh
		mesh := features.SetsToNamesSet(features.MeshCoreFeatures, features.MeshExtendedFeatures)
		opts.ExemptFeatures = append(opts.ExemptFeatures, mesh.UnsortedList()...)
	}
	gatewayTests := slices.DeleteFunc(slices.Clone(tests.ConformanceTests), func(test suite.ConformanceTest) bool {
		return slices.Contains(test.Features, features.SupportMesh)
	})

	began := time.Now()
	cluster, err := NewCluster(work, *adminAddr, *controller)
	require.NoError(t, err)
	t.Cleanup(cluster.Close)
	c, err := client.New(cluster.Config, client.Options{})
	require.NoError(t, err)
	cs, err := clientset.NewForConfig(cluster.Config)
	require.NoError(t, err)
	// As in the suite's own DefaultOptions: this reaches client-go's global scheme,
	// so that the clients that the suite creates for each test know these types, too.
	for _, install := range []func() error{
		func() error { return gatewayv1.Install(c.Scheme()) },
		func() error { return v1beta1.Install(c.Scheme()) },
		func() error { return v1alpha2.Install(c.Scheme()) },
		func() error { return v1alpha3.Install(c.Scheme()) },
		func() error { return xv1alpha1.Install(c.Scheme()) },
		func() error { return apiextv1.AddToScheme(c.Scheme()) },
	} {
		require.NoError(t, install())
	}
	class := &gatewayv1.GatewayClass{
		ObjectMeta: metav1.ObjectMeta{Name: opts.GatewayClassName},
		Spec:       gatewayv1.GatewayClassSpec{ControllerName: gatewayv1.GatewayController(*controller)},
	}
	require.NoError(t, c.Create(t.Context(), class))

	daemon, err := StartDaemon(*daemonBinary, *daemonArgs, filepath.Join(work, "daemon.log"), *adminAddr, map[string]string{
		"dir": cluster.Dir, "admin": *adminAddr, "pool": *addressPool, "class": opts.GatewayClassName, "controller": *controller,
	})
	require.NoError(t, err)
	t.Cleanup(func() { t.Log("daemon:", daemon.Stop()) })
	waitAccepted(t, c, opts.GatewayClassName)
	started := time.Since(began)

	r := &recorder{}
	if *results != "" { // each line as it is known; sorted at the end
		f, err := os.Create(*results)
		require.NoError(t, err)
		defer f.Close()
		r.live = f
	}
	var cSuite *suite.ConformanceTestSuite
	var setup time.Duration
	t.Run("Suite", func(t *testing.T) {
		cSuite, err = suite.NewConformanceTestSuite(suite.ConformanceOptions{
			ConfigurableOptions: opts, Client: c, Clientset: cs, RestConfig: cluster.Config,
			ManifestFS: []fs.FS{&official.Manifests}, Hook: r.hook,
		})
		require.NoError(t, err)
		at := time.Now()
		cSuite.Setup(t, gatewayTests)
		setup = time.Since(at)
		r.last = time.Now()
		require.NoError(t, cSuite.Run(t, gatewayTests))
	})
	require.NotNil(t, cSuite)

	report, err := cSuite.Report()
	require.NoError(t, err)
	if opts.ReportOutputPath != "" {
		data, err := yaml.Marshal(report)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(opts.ReportOutputPath, data, 0o644))
	}
	now, peak := daemon.Memory()
	own := syscall.Rusage{}
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &own)
	out := r.lines() + summary(report)
	out += fmt.Sprintf("time: start %.1fs, setup %.1fs, all %.1fs; memory: daemon %d MiB (peak %d), harness peak %d MiB\n",
		started.Seconds(), setup.Seconds(), time.Since(began).Seconds(), now, peak, own.Maxrss/1024)
	fmt.Print(out)
	if *results != "" {
		require.NoError(t, os.WriteFile(*results, []byte(out), 0o644))
	}
	if *passed != "" {
		require.NoError(t, r.compare(t, *passed, opts.RunTest, *keepPassed))
	}
	for _, p := range cluster.Admin.Problems() {
		t.Errorf("a real API server would refuse this status: %s", p)
	}
	if daemon.Exited() {
		t.Error("the daemon ended during the run; see daemon.log")
	}
}

// capTimeouts limits the timeouts that matter only if a test fails.
func capTimeouts(tc *config.TimeoutConfig, most time.Duration) {
	v := reflect.ValueOf(tc).Elem()
	for i := range v.NumField() {
		if d, ok := v.Field(i).Interface().(time.Duration); ok && d > most {
			v.Field(i).SetInt(int64(most))
		}
	}
}

// waitAccepted waits until the daemon has published the GatewayClass's status, from which
// the suite infers the supported features.
func waitAccepted(t *testing.T, c client.Client, name string) {
	for end := time.Now().Add(*patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		class := &gatewayv1.GatewayClass{}
		require.NoError(t, c.Get(context.Background(), client.ObjectKey{Name: name}, class))
		for _, cond := range class.Status.Conditions {
			if cond.Type == "Accepted" && cond.Status == "True" {
				return
			}
		}
	}
	t.Fatalf("GatewayClass %s isn't accepted after %v", name, *patience)
}
