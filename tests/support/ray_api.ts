/**
 * The names of Ray Core's public API, as that version of the package lists
 * them: `ray.__all__`, signatures, and the classes and commands by name. For
 * `tests/from_ray_test.ts`.
 *
 * @module
 */

/** Which Ray. */
export const rayVersion = "2.60.0";

/** Names by where they belong. */
export const rayNames: Record<string, readonly string[]> = {
  // Of `ray` itself, but for its submodules and libraries.
  module: words(`
    ActorClassID ActorID ClientBuilder DynamicObjectRefGenerator FunctionID
    JobID Language LoggingConfig NodeID ObjectID ObjectRef ObjectRefGenerator
    PlacementGroupID SCRIPT_MODE TaskID UniqueID WORKER_MODE WorkerID
    available_resources cancel client cluster_resources cpp_function get
    get_actor get_gpu_ids get_runtime_context init is_initialized
    java_actor_class java_function kill method nodes put remote shutdown
    timeline wait
  `),
  // Parameters of `ray.init`.
  init: words(`
    address num_cpus num_gpus resources labels object_store_memory local_mode
    ignore_reinit_error include_dashboard dashboard_host dashboard_port
    job_config configure_logging logging_level logging_format logging_config
    log_to_driver namespace runtime_env enable_resource_isolation cgroup_path
    system_reserved_cpu system_reserved_memory proxy_server_url
  `),
  // Of `ray.shutdown`.
  shutdown: words(`
    wait_for_processes
  `),
  // Options of `ray.remote` for functions.
  taskOptions: words(`
    _generator_backpressure_num_objects accelerator_type enable_task_events
    fallback_strategy label_selector max_calls max_retries memory name
    num_cpus num_gpus num_returns object_store_memory placement_group
    placement_group_bundle_index placement_group_capture_child_tasks resources
    retry_exceptions runtime_env scheduling_strategy
  `),
  // Options of `ray.remote` for classes.
  actorOptions: words(`
    accelerator_type allow_out_of_order_execution concurrency_groups
    enable_task_events enable_tensor_transport fallback_strategy get_if_exists
    label_selector lifetime max_concurrency max_pending_calls max_restarts
    max_task_retries memory name namespace num_cpus num_gpus
    object_store_memory placement_group placement_group_bundle_index
    placement_group_capture_child_tasks resources runtime_env
    scheduling_strategy
  `),
  // Options of `ray.method`.
  method: words(`
    num_returns concurrency_group max_task_retries retry_exceptions
    enable_task_events
  `),
  // Parameters of `ray.get`, `ray.wait`, `ray.cancel` and `ray.kill`.
  calls: words(`
    timeout num_returns fetch_local force recursive no_restart
  `),
  // Of `ray.ObjectRef` and `ray.ObjectRefGenerator`.
  objectRef: words(`
    hex binary task_id job_id future as_future is_nil from_hex completed
    next_ready is_finished close
  `),
  // Of what `ray.get_runtime_context()` gives.
  context: words(`
    actor_id current_actor current_placement_group_id gcs_address get
    get_accelerator_ids get_actor_id get_actor_name get_assigned_resources
    get_job_id get_node_id get_node_labels get_placement_group_id
    get_resource_ids get_runtime_env_string get_session_name
    get_task_function_name get_task_id get_task_name get_temp_dir
    get_worker_id is_canceled job_id namespace node_id runtime_env
    should_capture_child_tasks_in_placement_group task_id
    was_current_actor_reconstructed
  `),
  // Of `ray.actor`.
  actor: words(`
    exit_actor
  `),
  // Of `ray.util`.
  util: words(`
    ActorPool accelerators as_completed collective connect
    deregister_serializer disable_log_once_globally disconnect
    enable_periodic_logging get_current_placement_group get_node_instance_id
    get_node_ip_address get_placement_group inspect_serializability
    list_named_actors log_once map_unordered pdb placement_group
    placement_group_table ray_debugpy register_serializer
    remove_placement_group
  `),
  // Of `ray.util.ActorPool`.
  actorPool: words(`
    get_next get_next_unordered has_free has_next map map_unordered pop_idle
    push submit
  `),
  // Of `ray.util.queue`.
  queue: words(`
    Empty Full empty full get get_async get_nowait get_nowait_batch put
    put_async put_nowait put_nowait_batch qsize shutdown size
  `),
  // Of `ray.util.placement_group`, and parameters of `placement_group()`.
  placement: words(`
    PlacementGroup bundle_specs bundle_count ready wait bundles strategy
    lifetime bundle_label_selector topology_strategy
  `),
  // Of `ray.util.scheduling_strategies`.
  strategies: words(`
    DoesNotExist Exists In NodeAffinitySchedulingStrategy
    NodeLabelSchedulingStrategy NotIn PlacementGroupSchedulingStrategy hard
    soft
  `),
  // Fields of a `runtime_env`.
  environment: words(`
    conda config container env_vars excludes image_uri java_jars pip
    py_executable py_modules uv worker_process_setup_hook working_dir
  `),
  // Of `ray.util.state`.
  state: words(`
    StateApiClient get_actor get_job get_log get_node get_objects
    get_placement_group get_task get_worker list_actors list_cluster_events
    list_jobs list_logs list_nodes list_objects list_placement_groups
    list_runtime_envs list_tasks list_workers summarize_actors
    summarize_objects summarize_tasks
  `),
  // Of `ray.util.metrics`.
  metrics: words(`
    Counter Gauge Histogram
  `),
  // Of `ray.exceptions`.
  exceptions: words(`
    ActorAlreadyExistsError ActorDiedError ActorHandleNotFoundError
    ActorPlacementGroupRemoved ActorUnavailableError ActorUnschedulableError
    AsyncioActorExit AuthenticationError CrossLanguageError GetTimeoutError
    LocalRayletDiedError NodeDiedError ObjectFetchTimedOutError
    ObjectFreedError ObjectLostError ObjectReconstructionFailedError
    ObjectRefStreamEndOfStreamError ObjectStoreFullError
    OufOfBandObjectRefSerializationException OutOfDiskError OutOfMemoryError
    OwnerDiedError PendingCallsLimitExceeded PlasmaObjectNotAvailable
    RayActorError RayCgraphCapacityExceeded RayChannelError
    RayChannelTimeoutError RayDirectTransportError RayError RaySystemError
    RayTaskError ReferenceCountingAssertionError RpcError RuntimeEnvSetupError
    StreamingGeneratorReplayInconsistentError TaskCancelledError
    TaskPlacementGroupRemoved TaskUnschedulableError UnserializableException
    UserCodeException WorkerCrashedError
  `),
  // Commands of `ray`.
  commands: words(`
    attach check-open-ports cluster-dump cpp dashboard debug
    disable-usage-stats down drain-node enable-usage-stats exec get
    get-auth-token get-head-ip get-worker-ips global-gc health-check job
    kill-actor kill-random-node kuberay-autoscaler list local-dump logs memory
    metrics microbenchmark monitor rsync-down rsync-up sanity-check stack
    start status stop submit summary symmetric-run timeline up
  `),
  // Of `ray job`.
  jobCommands: words(`
    delete list logs status stop submit
  `),
};

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
