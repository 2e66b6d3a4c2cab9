//! The Helm chart, rendered by helm itself and held against Kubernetes' own schemas.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::{files, json, printed, program, python_tool, root, said, text, tools};

const EXAMPLES: &str = "helm/tenantry/ci";

fn helm(arguments: &[&str]) -> Command {
    static AT: OnceLock<PathBuf> = OnceLock::new();
    let mut helm = Command::new(AT.get_or_init(|| tools("scripts/node-tools").join("kubernetes/helm/helm")));
    helm.args(arguments).current_dir(root().join("helm/tenantry"));
    helm
}

/// What helm makes of an example, with more values.
fn template(example: &str, set: &[&str]) -> Output {
    let mut helm = helm(&["template", "id", ".", "--namespace", "identity", "--values", &format!("ci/{example}")]);
    for value in set {
        helm.args(["--set", value]);
    }
    helm.output().unwrap()
}

/// The objects of an example.
fn objects(example: &str, set: &[&str]) -> Vec<Value> {
    let done = template(example, set);
    assert!(done.status.success(), "{example}: {}", said(&done));
    let rendered = String::from_utf8(done.stdout).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&rendered).unwrap();
    objects.into_iter().filter(|object: &Value| !object.is_null()).collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The pods that an object makes.
fn pod(object: &Value) -> Option<&Value> {
    match object["kind"].as_str()? {
        "Pod" => Some(&object["spec"]),
        "Deployment" | "StatefulSet" | "Job" => Some(&object["spec"]["template"]["spec"]),
        _ => None,
    }
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"].into_iter().filter_map(|list| pod[list].as_array()).flatten()
}

/// Labels of the pods that an object makes.
fn labels(object: &Value) -> &Value {
    if object["kind"] == "Pod" { &object["metadata"]["labels"] } else { &object["spec"]["template"]["metadata"]["labels"] }
}

/// Whether a selector, which names labels, is met by labels.
fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector["matchLabels"].as_object();
    wanted.is_some_and(|wanted| !wanted.is_empty() && wanted.iter().all(|(label, value)| labels[label] == *value))
}

/// The one `NetworkPolicy` that is about the pods of the one object of a kind, if there is one.
fn policy<'a>(objects: &'a [Value], kind: &str) -> Option<&'a Value> {
    let of = labels(of_kind(objects, kind)[0]);
    let all = of_kind(objects, "NetworkPolicy").into_iter();
    let found: Vec<_> = all.filter(|policy| selects(&policy["spec"]["podSelector"], of)).collect();
    assert!(found.len() < 2, "{found:?}");
    found.first().copied()
}

/// What an object has as a list.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn every_example_is_valid_to_helm_and_to_kubernetes() {
    for example in files(EXAMPLES, ".yaml") {
        printed(&mut helm(&["lint", ".", "--strict", "--values", &format!("ci/{example}")]));
        let rendered = std::env::temp_dir().join(format!("tenantry-{}-{example}", std::process::id()));
        std::fs::write(&rendered, template(&example, &[]).stdout).unwrap();
        for version in ["1.29", "1.35"] {
            let done = python_tool("kubernetes-validate").args(["--strict", "-k", version]).arg(&rendered).output().unwrap();
            let said = said(&done);
            assert!(done.status.success(), "{example}, {version}: {said}");
            // What is not Kubernetes' own is looked at in `monitoring`.
            let unknown = said.lines().filter(|line| line.contains("Couldn't find schema"));
            assert_eq!(unknown.filter(|line| !line.contains("monitoring.coreos.com")).count(), 0, "{said}");
        }
        std::fs::remove_file(rendered).unwrap();
    }
}

/// Pod Security Standards, "restricted"; and more.
#[test]
fn every_pod_may_do_nothing_that_it_need_not() {
    for example in files(EXAMPLES, ".yaml") {
        let objects = objects(&example, &[]);
        let pods: Vec<_> = objects.iter().filter_map(pod).collect();
        assert!(pods.len() >= 2, "{example}");
        for pod in pods {
            let security = &pod["securityContext"];
            assert_eq!(
                (&security["runAsNonRoot"], &security["seccompProfile"]["type"]),
                (&json!(true), &json!("RuntimeDefault"))
            );
            assert_eq!((&pod["automountServiceAccountToken"], &pod["enableServiceLinks"]), (&json!(false), &json!(false)));
            assert!(pod["hostNetwork"].is_null() && pod["hostPID"].is_null());
            for container in containers(pod) {
                let wanted =
                    json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
                assert_eq!(container["securityContext"], wanted, "{example}");
                assert!(container["resources"]["limits"]["memory"].is_string(), "{example}");
            }
        }
    }
}

#[test]
fn the_program_takes_the_settings_that_the_chart_writes() {
    for example in files(EXAMPLES, ".yaml") {
        let objects = objects(&example, &[]);
        let settings = of_kind(&objects, "ConfigMap")[0]["data"]["tenantry.toml"].as_str().unwrap().to_owned();
        let pod = objects.iter().filter(|object| object["kind"] != "Pod").find_map(pod).unwrap();
        let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
        assert!(mounts.contains(&json!({"name": "secrets", "mountPath": "/run/tenantry", "readOnly": true})));
        let volumes = pod["volumes"].as_array().unwrap().iter();
        let secrets = volumes.filter_map(|volume| volume["projected"]["sources"].as_array()).flatten();
        let there: Vec<_> = secrets.map(|source| source["secret"]["items"][0]["path"].as_str().unwrap()).collect();
        let said: Vec<_> =
            settings.lines().filter_map(|line| line.split_once("\"/run/tenantry/")).map(|(_, file)| file).collect();
        assert_eq!(said.iter().map(|file| file.trim_end_matches(['"', ']'])).collect::<Vec<_>>(), there, "{example}");

        let directory = std::env::temp_dir().join(format!("tenantry-settings-{}-{example}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        for (secret, value) in [
            ("database-url", "postgres://tenantry@localhost/tenantry"),
            ("smtp-url", "smtp://localhost"),
            ("sms-token", "secret"),
            ("metrics-token", "a-scrape-must-show-this"),
        ] {
            std::fs::write(directory.join(secret), value).unwrap();
        }
        let file = directory.join("tenantry.toml");
        std::fs::write(&file, settings.replace("/run/tenantry", directory.to_str().unwrap())).unwrap();
        assert_eq!(
            printed(program().args(["config", "check", "--config"]).arg(&file)),
            "the configuration is valid\n",
            "{settings}"
        );
        std::fs::remove_dir_all(directory).unwrap();
    }
}

/// Those that serve, the Job before them, and the first start with SQLite; but not the one that only asks whether they are ready.
#[test]
fn more_volumes_are_wherever_the_program_has_its_settings() {
    for example in ["private-ca.yaml", "backups.yaml"] {
        let values: Value = serde_saphyr::from_str(&text(&format!("{EXAMPLES}/{example}"))).unwrap();
        let (volume, mount) = (&values["extraVolumes"][0], &values["extraVolumeMounts"][0]);
        let objects = objects(example, &[]);
        let mut seen = 0;
        for pod in objects.iter().filter_map(pod) {
            for container in containers(pod).filter(|container| container["env"].is_array()) {
                assert!(list(&pod["volumes"]).contains(volume), "{example}: {pod}");
                assert!(list(&container["volumeMounts"]).contains(mount), "{example}: {container}");
                seen += 1;
            }
        }
        assert_eq!(seen, 2, "{example}");
    }
}

#[test]
fn a_wrong_value_is_refused_and_its_path_named() {
    for (set, told) in [
        ("replicas=-1", "/replicas"),
        ("replicas=two", "/replicas"),
        ("databse=sqlite", "databse"),
        ("database=mysql", "/database"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("image.digest=sha256:abc", "/image/digest"),
        ("config.listn=0.0.0.0:80", "listn"),
        ("config.token_lifetime=soon", "/config/token_lifetime"),
        ("config.log_format=xml", "/config/log_format"),
        ("config.poll_ms=1", "/config/poll_ms"),
        ("config.trusted_proxies=10.0.0.0/8", "/config/trusted_proxies"),
        ("config.database_url=postgres://a", "secrets.databaseUrl"),
        ("config.smtp_url=smtp://a:b@c", "secrets.smtpUrl"),
        ("config.listen=0.0.0.0:80", "config.listen is set by the chart"),
        ("secrets.masterKey.key=", "/secrets/masterKey/key"),
        ("secrets.masterKy.value=a", "masterKy"),
        ("service.port=70000", "/service/port"),
        ("extraVolumes[0].emptyDir.medium=Memory", "/extraVolumes/0"),
        ("extraVolumes[0].name=data", "/extraVolumes/0/name"),
        ("extraVolumeMounts[0].name=ca", "/extraVolumeMounts/0"),
        ("extraVolumeMounts[0].mountPath=ca", "/extraVolumeMounts/0/mountPath"),
        ("extraVolumeMounts[0].readonly=true", "readonly"),
        ("persistence.size=big", "/persistence/size"),
        ("ingress.enabled=true", "/ingress/host"),
        ("networkPolicy.egressPorts={https}", "/networkPolicy/egressPorts/0"),
        ("disruptionBudget.maxUnavailable=0", "/disruptionBudget/maxUnavailable"),
        ("autoscaling.cpu=0", "/autoscaling/cpu"),
        ("metrics.rules.enabled=1", "/metrics/rules/enabled"),
    ] {
        let done = template("minimal.yaml", &[set]);
        assert!(!done.status.success(), "{set}");
        assert!(said(&done).contains(told), "{set}: {}", said(&done));
    }
}

#[test]
fn what_does_not_go_together_is_refused_in_words() {
    for (example, set, told) in [
        ("minimal.yaml", "config.public_url=", "config.public_url must be set, or ingress.enabled"),
        ("minimal.yaml", "secrets.masterKey.existingSecret=", "secrets.masterKey must be set"),
        ("minimal.yaml", "secrets.databaseUrl.existingSecret=", "secrets.databaseUrl must be set"),
        ("sqlite.yaml", "replicas=2", "replicas must be 1"),
        ("sqlite.yaml", "autoscaling.enabled=true", "autoscaling.enabled false"),
        ("sqlite.yaml", "secrets.databaseUrl.value=postgres://a", "secrets.databaseUrl belongs to database: postgres"),
    ] {
        let done = template(example, &[set]);
        assert!(!done.status.success() && said(&done).contains(told), "{set}: {}", said(&done));
    }
}

/// At the first install nothing of the release is there yet when its hook runs.
#[test]
fn the_schema_comes_up_before_anything_else_is_there() {
    let objects = objects("minimal.yaml", &["secrets.smtpUrl.value=smtp://localhost"]);
    let hooks = |object: &&Value| object["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade";
    let made: Vec<_> = objects.iter().filter(hooks).map(|object| object["metadata"]["name"].as_str().unwrap()).collect();
    assert_eq!(made, ["id-tenantry-migrate"; 4]); // NetworkPolicy, Secret, ConfigMap, Job
    let job = pod(of_kind(&objects, "Job")[0]).unwrap();
    assert!(job["serviceAccountName"].is_null());
    let volumes = job["volumes"].to_string();
    let names: Vec<_> = volumes.split("\"name\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    // Volumes, their ConfigMap and Secret, and what the operator made.
    let known = ["settings", "secrets", "tmp", "data", "id-tenantry-migrate", "tenantry"];
    assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
    assert!(volumes.contains("\"id-tenantry-migrate\""));
}

#[test]
fn a_change_of_settings_makes_other_pods() {
    let sum = |set: &[&str]| {
        let objects = objects("minimal.yaml", set);
        of_kind(&objects, "Deployment")[0]["spec"]["template"]["metadata"]["annotations"]["checksum/settings"].clone()
    };
    let sums = [sum(&[]), sum(&["config.token_lifetime=600"]), sum(&["secrets.smtpUrl.value=smtp://a"])];
    assert!(sums[0] != sums[1] && sums[1] != sums[2] && sums[0] != sums[2]);
    assert_eq!(sum(&["replicas=5"]), sums[0]);
}

#[test]
fn a_pod_that_stops_has_the_time_that_it_takes() {
    let objects = objects("production.yaml", &["config.shutdown_delay=7"]);
    assert_eq!(pod(of_kind(&objects, "Deployment")[0]).unwrap()["terminationGracePeriodSeconds"], 7 + 20 + 10);
}

/// After a change: `make docs`.
#[test]
fn the_charts_schema_has_every_setting_and_its_readme_every_value() {
    let settings: Value = serde_json::from_str(&printed(program().args(["config", "schema"]))).unwrap();
    let (chart, values) = (json("helm/tenantry/values.schema.json"), text("helm/tenantry/values.yaml"));
    assert_eq!(chart["$defs"]["config"], settings);
    for name in settings["properties"].as_object().unwrap().keys() {
        assert!(text("docs/configuration.md").contains(&format!("`{name}`")), "docs/configuration.md lacks {name}");
    }
    let values: Value = serde_saphyr::from_str(&values).unwrap();
    let mut known: Vec<_> = chart["properties"].as_object().unwrap().keys().filter(|name| *name != "global").collect();
    let mut there: Vec<_> = values.as_object().unwrap().keys().collect();
    known.sort();
    there.sort();
    assert_eq!(known, there);
    let readme = printed(&mut Command::new(root().join("scripts/chart-readme")));
    assert_eq!(readme, text("helm/tenantry/README.md"));
}

#[test]
fn the_chart_is_of_the_programs_version() {
    let chart: Value = serde_saphyr::from_str(&text("helm/tenantry/Chart.yaml")).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn helm_test_is_let_in_where_few_may_ask() {
    let let_in = |example: &str, port: u16| {
        let objects = objects(example, &[]);
        let test = labels(of_kind(&objects, "Pod")[0]);
        let ingress = list(&policy(&objects, "Deployment").unwrap()["spec"]["ingress"]);
        let from = ingress.iter().find(|rule| rule["ports"][0]["port"] == port).unwrap()["from"].as_array()?;
        // Of this namespace: no other is named.
        let here = from.iter().filter(|peer| peer["namespaceSelector"].is_null());
        Some((from.len(), here.filter(|peer| selects(&peer["podSelector"], test)).count()))
    };
    // Beside the ingress controller; Prometheus' port is not the test's.
    assert_eq!((let_in("production.yaml", 8080), let_in("production.yaml", 9090)), (Some((2, 1)), Some((1, 0))));
    assert_eq!(let_in("minimal.yaml", 8080), None, "everybody may ask");
}

/// Where the namespace denies by default. At an installation the release's own policy comes after the hooks, so the Job has one before.
#[test]
fn the_migration_may_ask_the_database_as_those_that_serve_may() {
    for example in ["minimal.yaml", "production.yaml"] {
        let objects = objects(example, &["networkPolicy.databasePort=6432"]);
        let (job, serves) = (of_kind(&objects, "Job")[0], policy(&objects, "Deployment").unwrap());
        let before = policy(&objects, "Job").unwrap();
        let hook = |object: &Value, what: &str| object["metadata"]["annotations"][format!("helm.sh/hook{what}")].clone();
        let weight = |object: &Value| hook(object, "-weight").as_str().unwrap().parse::<i32>().unwrap();
        assert!(weight(before) < weight(job), "{example}");
        assert_eq!((hook(before, ""), hook(serves, "")), (json!("pre-install,pre-upgrade"), Value::Null));
        assert_eq!(hook(before, "-delete-policy"), hook(job, "-delete-policy"));
        let asked = list(&before["spec"]["egress"]);
        assert_eq!(asked, &list(&serves["spec"]["egress"])[..2], "{example}");
        let ports: Vec<_> = asked.iter().map(|rule| &rule["ports"][0]["port"]).collect();
        assert_eq!(ports, [53, 6432], "{example}: names and the database, nothing else");
        assert_eq!((&before["spec"]["policyTypes"], &before["spec"]["ingress"]), (&json!(["Ingress", "Egress"]), &Value::Null));
    }
    assert!(policy(&objects("minimal.yaml", &["networkPolicy.enabled=false"]), "Job").is_none());
    assert!(of_kind(&objects("minimal.yaml", &["migrate.enabled=false"]), "NetworkPolicy").len() == 1);
}
