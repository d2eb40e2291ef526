# SPDX-License-Identifier: GPL-2.0-or-later
"""Objects in the shape in which API servers of Kubernetes 1.2x send them: names, owners, status and
the managed fields that make them as large as they are."""

import hashlib
import uuid

TIME = "2024-05-14T08:12:31Z"


def uid(*words):
    """The same for the same words, so that tests can name it."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(words)))


def container_id(*words):
    return hashlib.sha256("/".join(words).encode()).hexdigest()


def metadata(kind, name, namespace=None, labels=None, annotations=None, owner=None):
    meta = {"name": name, "uid": uid(kind, namespace or "", name), "creationTimestamp": TIME}
    if namespace:
        meta["namespace"] = namespace
    if labels:
        meta["labels"] = dict(labels)
    if annotations:
        meta["annotations"] = dict(annotations)
    if owner:
        api_version, owner_kind, owner_name = owner
        meta["ownerReferences"] = [{
            "apiVersion": api_version, "kind": owner_kind, "name": owner_name,
            "uid": uid(owner_kind, namespace or "", owner_name),
            "controller": True, "blockOwnerDeletion": True}]
    meta["managedFields"] = [{
        "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
        "time": TIME, "fieldsType": "FieldsV1",
        "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}, "f:ownerReferences": {}},
                     "f:spec": {"f:containers": {'k:{"name":"web"}': {"f:image": {}}},
                                "f:restartPolicy": {}}}}]
    return meta


def pod(namespace, name, node, address=None, labels=None, annotations=None, owner=None,
        containers=(("web", "registry.example/web:1.2"),), host_network=False, phase="Running",
        extra_addresses=()):
    spec = {
        "volumes": [{"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt",
                           "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}}],
        "containers": [{
            "name": container, "image": image, "resources": {},
            "ports": [{"containerPort": 8080, "protocol": "TCP"}],
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent"}
            for container, image in containers],
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default", "nodeName": node, "securityContext": {},
        "schedulerName": "default-scheduler", "enableServiceLinks": True}
    if host_network:
        spec["hostNetwork"] = True
    status = {
        "phase": phase, "startTime": TIME, "qosClass": "BestEffort", "hostIP": "10.0.0.11",
        "conditions": [{"type": "Ready", "status": "True", "lastProbeTime": None,
                        "lastTransitionTime": TIME}],
        "containerStatuses": [{
            "name": container, "image": image, "imageID": "sha256:" + container_id(image),
            "containerID": "containerd://" + container_id(namespace, name, container),
            "ready": True, "started": True, "restartCount": 0, "lastState": {},
            "state": {"running": {"startedAt": TIME}}} for container, image in containers]}
    if address:
        status["podIP"] = address
        status["podIPs"] = [{"ip": each} for each in (address, *extra_addresses)]
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": metadata("Pod", name, namespace, labels, annotations, owner),
            "spec": spec, "status": status}


def replica_set(namespace, deployment, hash_text):
    labels = {"app": deployment, "pod-template-hash": hash_text}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": metadata("ReplicaSet", f"{deployment}-{hash_text}", namespace, labels,
                                 {"deployment.kubernetes.io/revision": "1"},
                                 ("apps/v1", "Deployment", deployment)),
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "registry.example/web:1.2"}]}}},
            "status": {"replicas": 1}}


def job(namespace, name, cron_job=None):
    owner = ("batch/v1", "CronJob", cron_job) if cron_job else None
    return {"apiVersion": "batch/v1", "kind": "Job",
            "metadata": metadata("Job", name, namespace, None, None, owner),
            "spec": {"template": {"spec": {
                "restartPolicy": "Never",
                "containers": [{"name": "run", "image": "registry.example/run:1"}]}}},
            "status": {}}


def service(namespace, name, cluster_ip, ports, service_type="ClusterIP", selector=None,
            balancer=None):
    spec = {"type": service_type, "clusterIP": cluster_ip, "clusterIPs": [cluster_ip],
            "selector": selector or {"app": name}, "sessionAffinity": "None",
            "ports": [dict(port) for port in ports]}
    status = {"loadBalancer": {"ingress": [{"ip": balancer}]} if balancer else {}}
    return {"apiVersion": "v1", "kind": "Service",
            "metadata": metadata("Service", name, namespace), "spec": spec, "status": status}


def target(namespace, name):
    return {"kind": "Pod", "namespace": namespace, "name": name, "uid": uid("Pod", namespace, name)}


def endpoint_slice(namespace, service_name, suffix, members, ports):
    """members: (address, pod name) pairs."""
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": metadata("EndpointSlice", f"{service_name}-{suffix}", namespace,
                                 {"kubernetes.io/service-name": service_name,
                                  "endpointslice.kubernetes.io/managed-by":
                                  "endpointslice-controller.k8s.io"}),
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address],
                           "conditions": {"ready": True, "serving": True, "terminating": False},
                           "nodeName": "worker-1", "targetRef": target(namespace, name)}
                          for address, name in members],
            "ports": [{"name": "http", "port": port, "protocol": "TCP"} for port in ports]}


def endpoints(namespace, service_name, members, ports):
    return {"apiVersion": "v1", "kind": "Endpoints",
            "metadata": metadata("Endpoints", service_name, namespace),
            "subsets": [{"addresses": [{"ip": address, "nodeName": "worker-1",
                                        "targetRef": target(namespace, name)}
                                       for address, name in members],
                         "ports": [{"name": "http", "port": port, "protocol": "TCP"}
                                   for port in ports]}]}


def node(name, *addresses):
    return {"apiVersion": "v1", "kind": "Node",
            "metadata": metadata("Node", name, None, {"kubernetes.io/hostname": name}),
            "spec": {"podCIDR": "10.244.0.0/24"},
            "status": {"addresses": [{"type": "InternalIP", "address": address}
                                     for address in addresses] +
                       [{"type": "Hostname", "address": name}],
                       "nodeInfo": {"kubeletVersion": "v1.28.4", "osImage": "Debian GNU/Linux 12"}}}


def small_cluster():
    """What most tests look at: two pods here, one elsewhere, and what surrounds them."""
    return [
        node("worker-1", "10.0.0.11"), node("worker-2", "10.0.0.12", "fd00::12"),
        pod("production", "api-7d9f8b6c5d-x2k4m", "worker-1", "10.244.1.5",
            {"app": "api", "tier": "front", "pod-template-hash": "7d9f8b6c5d"},
            {"prometheus.io/scrape": "true"}, ("apps/v1", "ReplicaSet", "api-7d9f8b6c5d"),
            (("web", "registry.example/web:1.2"), ("proxy", "registry.example/proxy:9"))),
        pod("production", "db-0", "worker-2", "10.244.2.7", {"app": "db"}, None,
            ("apps/v1", "StatefulSet", "db"), extra_addresses=("fd00:10:244:2::7",)),
        pod("production", "cart-5c6d7e8f9a-b1b2b", "worker-2", "10.244.2.8", {"app": "cart"}, None,
            ("apps/v1", "ReplicaSet", "cart-5c6d7e8f9a")),
        pod("staging", "report-28595520-9fjwq", "worker-1", "10.244.1.9", {"job-name": "report"},
            None, ("batch/v1", "Job", "report-28595520"),
            (("run", "registry.example/run:1"),)),
        pod("kube-system", "kube-proxy-h7x2z", "worker-2", "10.0.0.12", {"k8s-app": "kube-proxy"},
            None, ("apps/v1", "DaemonSet", "kube-proxy"), host_network=True),
        replica_set("production", "api", "7d9f8b6c5d"),
        replica_set("production", "cart", "5c6d7e8f9a"),
        job("staging", "report-28595520", "report"),
        service("production", "api", "10.96.0.20",
                [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080,
                  "nodePort": 30080}], "NodePort"),
        service("production", "db", "None",
                [{"name": "sql", "port": 5432, "protocol": "TCP", "targetPort": 5432}]),
        endpoint_slice("production", "api", "x7z2k", [("10.244.1.5", "api-7d9f8b6c5d-x2k4m")],
                       [8080]),
        endpoint_slice("production", "db", "q9w8e", [("10.244.2.7", "db-0")], [5432]),
        endpoints("production", "api", [("10.244.1.5", "api-7d9f8b6c5d-x2k4m")], [8080]),
    ]
