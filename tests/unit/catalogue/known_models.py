"""Configurations written by hand from published ones, with the exact parameter totals of the published weights."""

from __future__ import annotations

from typing import Any


def _llama(hidden: int, inner: int, layers: int, heads: int, kv: int, vocab: int, **more: Any) -> dict[str, Any]:
    return {"model_type": "llama", "hidden_size": hidden, "intermediate_size": inner, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": kv, "vocab_size": vocab, **more}  # fmt: skip


# name: (total parameters, configuration)
EXACT: dict[str, tuple[int, dict[str, Any]]] = {
    "llama-2-7b": (6_738_415_616, {"model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008, "vocab_size": 32000,
                                   "num_hidden_layers": 32, "num_attention_heads": 32}),
    "llama-2-70b": (68_976_648_192, _llama(8192, 28672, 80, 64, 8, 32000)),
    "llama-3.2-1b": (1_235_814_400, _llama(2048, 8192, 16, 32, 8, 128256, tie_word_embeddings=True, head_dim=64)),
    "llama-3.2-3b": (3_212_749_824, _llama(3072, 8192, 28, 24, 8, 128256, tie_word_embeddings=True, head_dim=128)),
    "tinyllama": (1_100_048_384, _llama(2048, 5632, 22, 32, 4, 32000)),
    "mistral-7b": (7_241_732_096, _llama(4096, 14336, 32, 32, 8, 32000) | {"model_type": "mistral", "sliding_window": 4096}),
    "mistral-nemo": (12_247_782_400, _llama(5120, 14336, 40, 32, 8, 131072, head_dim=128) | {"model_type": "mistral", "sliding_window": None}),
    "mixtral-8x22b": (140_630_071_296, _llama(6144, 16384, 56, 48, 8, 32768) | {"model_type": "mixtral", "num_local_experts": 8,
                                                                               "num_experts_per_tok": 2}),
    "qwen2.5-0.5b": (494_032_768, _llama(896, 4864, 24, 14, 2, 151936, tie_word_embeddings=True) | {"model_type": "qwen2"}),
    "qwen2.5-7b": (7_615_616_512, _llama(3584, 18944, 28, 28, 4, 152064) | {"model_type": "qwen2"}),
    "qwen2.5-72b": (72_706_203_648, _llama(8192, 29568, 80, 64, 8, 152064) | {"model_type": "qwen2"}),
    "qwen-7b": (7_721_324_544, {"model_type": "qwen", "architectures": ["QWenLMHeadModel"], "hidden_size": 4096, "vocab_size": 151936,
                                "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32, "kv_channels": 128,
                                "no_bias": True, "seq_length": 8192}),
    "qwen3-0.6b": (596_049_920, _llama(1024, 3072, 28, 16, 8, 151936, head_dim=128, tie_word_embeddings=True) | {"model_type": "qwen3"}),
    "gemma-2b": (2_506_172_416, _llama(2048, 16384, 18, 8, 1, 256000, head_dim=256) | {"model_type": "gemma"}),
    "gemma-7b": (8_537_680_896, _llama(3072, 24576, 28, 16, 16, 256000, head_dim=256) | {"model_type": "gemma"}),
    "gemma-2-9b": (9_241_705_984, _llama(3584, 14336, 42, 16, 8, 256000, head_dim=256) | {"model_type": "gemma2"}),
    "gemma-2-27b": (27_227_128_320, _llama(4608, 36864, 46, 32, 16, 256000, head_dim=128) | {"model_type": "gemma2"}),
    "gemma-3-1b": (999_885_952, _llama(1152, 6912, 26, 4, 1, 262144, head_dim=256) | {"model_type": "gemma3_text"}),
    "phi-2": (2_779_683_840, {"model_type": "phi", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 32,
                              "num_attention_heads": 32, "vocab_size": 51200}),
    "phi-3-mini": (3_821_079_552, _llama(3072, 8192, 32, 32, 32, 32064) | {"model_type": "phi3", "sliding_window": 2047}),
    "phi-4": (14_659_507_200, _llama(5120, 17920, 40, 40, 10, 100352) | {"model_type": "phi3", "sliding_window": None}),
    "gpt2": (124_439_808, {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50257}),
    "gpt2-xl": (1_557_611_200, {"model_type": "gpt2", "n_embd": 1600, "n_layer": 48, "n_head": 25, "n_positions": 1024,
                                "vocab_size": 50257, "n_inner": None}),
    "gpt-neox-20b": (20_554_567_680, {"model_type": "gpt_neox", "hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44,
                                      "num_attention_heads": 64, "vocab_size": 50432}),
    "gpt-j-6b": (6_050_882_784, {"model_type": "gptj", "n_embd": 4096, "n_layer": 28, "n_head": 16, "vocab_size": 50400,
                                 "n_inner": None, "n_positions": 2048}),
    "bloom-176b": (176_247_271_424, {"model_type": "bloom", "n_embed": 14336, "n_layer": 70, "num_attention_heads": 112,
                                     "vocab_size": 250880}),
    "opt-125m": (125_239_296, {"model_type": "opt", "hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12,
                               "num_attention_heads": 12, "vocab_size": 50272, "max_position_embeddings": 2048}),
    "opt-350m": (331_196_416, {"model_type": "opt", "hidden_size": 1024, "ffn_dim": 4096, "num_hidden_layers": 24,
                               "num_attention_heads": 16, "vocab_size": 50272, "word_embed_proj_dim": 512,
                               "do_layer_norm_before": False, "max_position_embeddings": 2048}),
    "falcon-7b": (7_217_189_760 - 65024 * 4544, {"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32,
                                                 "num_attention_heads": 71, "vocab_size": 65024, "multi_query": True,
                                                 "parallel_attn": True, "bias": False, "new_decoder_architecture": False}),
    "falcon-40b": (41_303_293_952, {"model_type": "falcon", "hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128,
                                    "num_kv_heads": 8, "vocab_size": 65024, "bias": False, "parallel_attn": True,
                                    "new_decoder_architecture": True}),
    "starcoder2-15b": (15_957_889_024, {"model_type": "starcoder2", "hidden_size": 6144, "intermediate_size": 24576,
                                        "num_hidden_layers": 40, "num_attention_heads": 48, "num_key_value_heads": 4,
                                        "vocab_size": 49152, "use_bias": True, "sliding_window": 4096,
                                        "max_position_embeddings": 16384, "tie_word_embeddings": False}),
    "command-r": (34_980_831_232, {"model_type": "cohere", "hidden_size": 8192, "intermediate_size": 22528, "num_hidden_layers": 40,
                                   "num_attention_heads": 64, "num_key_value_heads": 64, "vocab_size": 256000}),
    "olmo-7b": (6_888_095_744, _llama(4096, 11008, 32, 32, 32, 50304) | {"model_type": "olmo"}),
    "deepseek-v2-lite": (15_706_484_224, {"model_type": "deepseek_v2", "hidden_size": 2048, "intermediate_size": 10944,
                                          "num_hidden_layers": 27, "num_attention_heads": 16, "q_lora_rank": None, "kv_lora_rank": 512,
                                          "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 64,
                                          "n_shared_experts": 2, "num_experts_per_tok": 6, "moe_intermediate_size": 1408,
                                          "first_k_dense_replace": 1, "vocab_size": 102400}),
    "deepseek-v2": (235_741_434_880, {"model_type": "deepseek_v2", "hidden_size": 5120, "intermediate_size": 12288,
                                      "num_hidden_layers": 60, "num_attention_heads": 128, "q_lora_rank": 1536, "kv_lora_rank": 512,
                                      "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 160,
                                      "n_shared_experts": 2, "num_experts_per_tok": 6, "moe_intermediate_size": 1536,
                                      "first_k_dense_replace": 1, "vocab_size": 102400}),
    "mamba-2.8b": (2_768_345_600, {"model_type": "mamba", "hidden_size": 2560, "num_hidden_layers": 64, "vocab_size": 50280,
                                   "state_size": 16, "time_step_rank": 160, "expand": 2, "conv_kernel": 4}),
    "jamba-v0.1": (51_570_323_328, _llama(4096, 14336, 32, 32, 8, 65536) | {
        "model_type": "jamba", "num_experts": 16, "num_experts_per_tok": 2, "attn_layer_period": 8, "attn_layer_offset": 4,
        "expert_layer_period": 2, "expert_layer_offset": 1, "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2,
        "mamba_dt_rank": 256}),
    "dbrx": (131_596_523_520, {"model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40, "vocab_size": 100352,
                               "attn_config": {"kv_n_heads": 8}, "max_seq_len": 32768,
                               "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4}}),
    "olmoe": (6_919_161_856, _llama(2048, 1024, 16, 16, 16, 50304) | {"model_type": "olmoe", "num_experts": 64, "num_experts_per_tok": 8}),
    "qwen1.5-moe-a2.7b": (14_315_784_192, _llama(2048, 5632, 24, 16, 16, 151936) | {
        "model_type": "qwen2_moe", "num_experts": 60, "num_experts_per_tok": 4, "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632, "decoder_sparse_step": 1}),
    "qwen3-235b-a22b": (235_093_634_560, _llama(4096, 12288, 94, 64, 4, 151936, head_dim=128) | {
        "model_type": "qwen3_moe", "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 1536}),
    "recurrentgemma-2b": (2_682_862_080, {"model_type": "recurrent_gemma", "hidden_size": 2560, "intermediate_size": 15360,
                                          "num_hidden_layers": 26, "num_attention_heads": 10, "num_key_value_heads": 1,
                                          "lru_width": 2560, "conv1d_width": 4, "vocab_size": 256000,
                                          "attention_window_size": 2048}),
    "openelm-270m": (271_527_168, {
        "model_type": "openelm", "model_dim": 1280, "num_transformer_layers": 16, "head_dim": 64, "vocab_size": 32000,
        "num_query_heads": [12, 12, 12, 12, 12, 16, 16, 16, 16, 16, 16, 16, 20, 20, 20, 20],
        "num_kv_heads": [3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5], "ffn_dim_divisor": 256, "ffn_with_glu": True,
        "ffn_multipliers": [0.5, 0.73, 0.97, 1.2, 1.43, 1.67, 1.9, 2.13, 2.37, 2.6, 2.83, 3.07, 3.3, 3.53, 3.77, 4.0],
        "normalize_qk_projections": True, "share_input_output_layers": True, "max_context_length": 2048}),
}  # fmt: skip

# name: (total and active parameters in billions as published, with the published digits, configuration)
ROUNDED: dict[str, tuple[float, float | None, dict[str, Any]]] = {
    "llama-4-maverick": (400, 17, {"model_type": "llama4", "text_config": {
        "model_type": "llama4_text", "hidden_size": 5120, "intermediate_size": 8192, "intermediate_size_mlp": 16384,
        "num_hidden_layers": 48, "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128, "num_local_experts": 128,
        "num_experts_per_tok": 1, "interleave_moe_layer_step": 2, "vocab_size": 202048}}),
    "grok-1": (314, None, {"model_type": "grok-1", "hidden_size": 6144, "intermediate_size": 32768, "num_hidden_layers": 64,
                           "num_attention_heads": 48, "num_key_value_heads": 8, "num_experts": 8, "num_experts_per_tok": 2,
                           "vocab_size": 131072}),
    "minimax-text-01": (456, 45.9, {
        "model_type": "minimax_text_01", "architectures": ["MiniMaxText01ForCausalLM"], "hidden_size": 6144,
        "intermediate_size": 9216, "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8, "head_dim": 128,
        "num_local_experts": 32, "num_experts_per_tok": 2, "vocab_size": 200064, "attn_type_list": ([0] * 7 + [1]) * 10,
        "shared_intermediate_size": [0]}),
    "glm-4.5": (355, 32, _llama(5120, 12288, 92, 96, 8, 151552, head_dim=128) | {
        "model_type": "glm4_moe", "attention_bias": True, "use_qk_norm": True, "first_k_dense_replace": 3, "n_routed_experts": 160,
        "n_shared_experts": 1, "num_experts_per_tok": 8, "moe_intermediate_size": 1536, "num_nextn_predict_layers": 1}),
    "qwen3-next-80b-a3b": (80, 3, _llama(2048, 5120, 48, 16, 2, 151936, head_dim=256) | {
        "model_type": "qwen3_next", "num_experts": 512, "num_experts_per_tok": 10, "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512, "linear_num_value_heads": 32, "linear_num_key_heads": 16}),
    "longcat-flash": (560, 27, {
        "model_type": "longcat_flash", "hidden_size": 6144, "num_layers": 28, "num_attention_heads": 64, "ffn_hidden_size": 12288,
        "expert_ffn_hidden_size": 2048, "n_routed_experts": 512, "zero_expert_num": 256, "moe_topk": 12, "q_lora_rank": 1536,
        "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "vocab_size": 131072}),
    "kimi-linear-48b-a3b": (48, 3, {
        "model_type": "kimi_linear", "hidden_size": 2304, "intermediate_size": 9216, "moe_intermediate_size": 1024,
        "num_hidden_layers": 27, "num_attention_heads": 32, "num_experts": 256, "num_experts_per_token": 8, "num_shared_experts": 1,
        "kv_lora_rank": 512, "q_lora_rank": None, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
        "first_k_dense_replace": 1, "vocab_size": 163840, "linear_attn_config": {
            "full_attn_layers": [4, 8, 12, 16, 20, 24, 27], "head_dim": 128, "num_heads": 32, "short_conv_kernel_size": 4,
            "kda_layers": [1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, 17, 18, 19, 21, 22, 23, 25, 26]}}),
    "snowflake-arctic": (480, 17, {
        "model_type": "arctic", "hidden_size": 7168, "intermediate_size": 4864, "num_hidden_layers": 35, "num_attention_heads": 56,
        "num_key_value_heads": 8, "num_local_experts": 128, "num_experts_per_tok": 2, "vocab_size": 32000, "moe_layer_frequency": 1,
        "parallel_attn_mlp_res": True}),
    "hunyuan-a13b": (80, 13, _llama(4096, 3072, 32, 32, 8, 128167, head_dim=128, tie_word_embeddings=True) | {
        "model_type": "hunyuan_v1_moe", "num_experts": 64, "moe_topk": [8] * 32, "moe_intermediate_size": [3072] * 32,
        "num_shared_expert": [1] * 32, "use_mixed_mlp_moe": True, "use_qk_norm": True, "use_cla": False}),
    "step3": (316, 38, {
        "model_type": "step3_vl", "text_config": {
            "architectures": ["Step3TextForCausalLM"], "model_type": "step3_text", "hidden_size": 7168, "intermediate_size": 18432,
            "num_attention_heads": 64, "num_attention_groups": 1, "num_hidden_layers": 61, "vocab_size": 128815, "head_dim": 256,
            "share_q_dim": 2048, "moe_num_experts": 48, "moe_top_k": 3, "moe_intermediate_size": 5120, "share_expert_dim": 5120,
            "moe_layers_enum": ",".join(map(str, range(4, 60)))}}),
    "gemma-3-27b": (27, None, {"model_type": "gemma3", "text_config": {
        "model_type": "gemma3_text", "hidden_size": 5376, "intermediate_size": 21504, "num_hidden_layers": 62, "head_dim": 128,
        "num_attention_heads": 32, "num_key_value_heads": 16, "sliding_window": 1024}}),
    "ling-lite": (16.8, 2.75, _llama(2048, 5632, 28, 16, 4, 126464, head_dim=128) | {
        "model_type": "bailing_moe", "num_experts": 64, "num_experts_per_tok": 6, "num_shared_experts": 2,
        "moe_intermediate_size": 1408, "first_k_dense_replace": 0}),
    "ernie-4.5-300b-a47b": (300, 47, _llama(8192, 28672, 54, 64, 8, 103424, tie_word_embeddings=False) | {
        "model_type": "ernie4_5_moe", "moe_num_experts": 64, "moe_k": 8, "moe_intermediate_size": 3584, "moe_num_shared_experts": 0,
        "moe_layer_start_index": 3, "moe_layer_end_index": 53, "moe_layer_interval": 1}),
}  # fmt: skip
